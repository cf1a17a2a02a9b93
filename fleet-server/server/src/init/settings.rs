//! The settings of a new folder: the commented example, with the names that `init` was told.

const EXAMPLE: &str = include_str!("../../../../configs/server.toml");

/// The text of `server.toml`.
pub(super) fn text(hosts: &[String]) -> String {
    let quoted = |text: &String| toml::Value::String(text.clone()).to_string();
    let mut text = EXAMPLE.to_owned();
    if let Some(host) = hosts.first() {
        text = text.replacen("\nhost = \"localhost\"", &format!("\nhost = {}", quoted(host)), 1);
    }
    if hosts.len() > 1 {
        let names: Vec<String> = hosts[1..].iter().map(quoted).collect();
        text = text.replacen("\nnames = []", &format!("\nnames = [{}]", names.join(", ")), 1);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_names_told_to_init_are_in_the_settings() {
        let config = Config::parse(&text(&["fleet.example.org".into(), "10.0.0.7".into()])).unwrap();
        assert_eq!(config.http.host, "fleet.example.org");
        assert_eq!(config.http.names, ["10.0.0.7"]);
        assert_eq!(Config::parse(&text(&[])).unwrap(), Config::default());
    }
}
