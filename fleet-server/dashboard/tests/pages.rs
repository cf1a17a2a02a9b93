//! What holds for every page.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod sample;

const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>";

/// Every tag of a page, without its angle brackets; quoted values may hold anything but quotes.
fn tags(page: &str) -> Vec<String> {
    let (mut tags, mut tag, mut inside, mut quoted) = (Vec::new(), String::new(), false, false);
    for c in page.chars() {
        match c {
            '<' if !inside => inside = true,
            '>' if inside && !quoted => {
                tags.push(std::mem::take(&mut tag));
                inside = false;
            }
            c if inside => {
                quoted ^= c == '"';
                tag.push(c);
            }
            _ => {}
        }
    }
    assert!(!inside, "a tag is not closed");
    tags
}

/// A tag without its attribute values.
fn names(tag: &str) -> String {
    tag.split('"').step_by(2).collect()
}

#[test]
fn hostile_names_never_become_markup() {
    for (name, page) in sample::pages(HOSTILE) {
        assert!(!page.contains("alert(1)</script>") && !page.contains("<img src=x"), "{name} lets markup in");
        let shape = |page: &str| tags(page).iter().map(|t| names(t)).collect::<Vec<_>>();
        let plain = sample::pages("plain").into_iter().find(|p| p.0 == name).unwrap().1;
        assert_eq!(shape(&page), shape(&plain), "{name} has other tags with hostile names");
    }
}

#[test]
fn no_page_has_inline_style_script_or_event_attributes() {
    for (name, page) in sample::pages("x") {
        for tag in tags(&page) {
            let names = names(&tag);
            assert!(!names.contains(" style=") && !names.starts_with("style"), "{name}: <{tag}>");
            assert!(!names.contains(" on"), "{name}: <{tag}>");
            assert!(!names.starts_with("script") || names.contains(" src="), "{name}: <{tag}>");
            assert!(!tag.contains("javascript:") && !tag.contains("http:"), "{name}: <{tag}>");
        }
    }
}

#[test]
fn every_page_has_navigation_and_one_heading() {
    for (name, page) in sample::pages("x") {
        assert_eq!(page.matches("<h1").count(), 1, "{name}");
        assert_eq!(page.matches("<nav ").count(), 1, "{name}");
        assert_eq!(page.matches("<main ").count(), 1, "{name}");
    }
}

#[test]
fn every_chart_has_a_title_a_label_and_a_table() {
    let mut seen = 0;
    for (name, page) in sample::pages("x") {
        for figure in page.split("<figure ").skip(1) {
            let figure = figure.split("</figure>").next().unwrap();
            for part in ["<figcaption>", "<title>", "<desc>", "aria-label=", "<details", "<tbody><tr>"] {
                assert!(figure.contains(part), "{name}: a chart without {part}");
            }
            seen += 1;
        }
        for small in page.split("<svg class=\"spark\"").skip(1) {
            assert!(small.split("</svg>").next().unwrap().contains("<title>"), "{name}");
        }
    }
    assert!(seen >= 7, "only {seen} charts were looked at");
}

#[test]
fn empty_pages_hold_a_command_with_the_real_address() {
    for (name, page) in sample::pages("x").into_iter().filter(|p| p.0.ends_with("-empty")) {
        assert!(page.contains("dunlin login https://fleet.example:8443"), "{name}");
    }
}

#[test]
fn pages_look_as_they_did() {
    for (name, page) in sample::pages("x") {
        let body = &page[page.find("<main").unwrap()..page.find("</main>").unwrap()];
        insta::assert_snapshot!(name, body);
    }
}

#[test]
fn assets_are_found_by_name_only() {
    let style = dunlin_dashboard::assets::get("dunlin.css").unwrap();
    assert!(style.content_type.starts_with("text/css") && style.etag.len() > 10);
    assert!(dunlin_dashboard::assets::get("../Cargo.toml").is_none());
}
