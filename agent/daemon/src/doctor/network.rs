//! The way out: a default route, and the server's name in DNS.

use std::{fs, net::IpAddr, path::Path};

use super::{Line, PATIENCE};

/// What the kernel says of the network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Interfaces with a default route, each once.
    pub routes: Vec<String>,
    /// Interfaces that are up, without the loopback.
    pub up: Vec<String>,
}

/// Reads it below `root`, which is `/` on a board.
pub fn read(root: &Path) -> Network {
    let file = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let mut routes = ways(&file("proc/net/route"), &file("proc/net/ipv6_route"));
    routes.dedup();
    let interfaces = fs::read_dir(root.join("sys/class/net")).into_iter().flatten().flatten();
    let up = interfaces.filter(|interface| {
        let state = fs::read_to_string(interface.path().join("operstate"));
        state.is_ok_and(|state| state.trim() == "up")
    });
    let mut up: Vec<String> = up.map(|interface| interface.file_name().to_string_lossy().into()).collect();
    up.sort();
    Network { routes, up }
}

/// Interfaces of default routes, from `/proc/net/route` and `/proc/net/ipv6_route`.
fn ways(v4: &str, v6: &str) -> Vec<String> {
    let v4 = v4.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        // Interface, destination, gateway, flags, …, mask at the eighth place.
        (words.get(1) == Some(&"00000000") && words.get(7) == Some(&"00000000")).then(|| words[0].to_owned())
    });
    let v6 = v6.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let everywhere = words.first()?.bytes().all(|digit| digit == b'0') && words.get(1) == Some(&"00");
        let interface = words.last()?;
        (everywhere && *interface != "lo").then(|| (*interface).to_owned())
    });
    v4.chain(v6).collect()
}

/// Judges it.
pub fn network(network: &Network) -> Line {
    let name = "network";
    if !network.routes.is_empty() {
        return Line::ok(name, format!("a default route by {}", network.routes.join(", ")));
    }
    if !network.up.is_empty() {
        return Line::warning(
            name,
            format!(
                "{} is up, but there is no default route: only its own network is in reach",
                network.up.join(", ")
            ),
            "see that the network's DHCP server gives a gateway: ip route",
        );
    }
    Line::failed(
        name,
        "no interface is up",
        "plug in the cable, or join a Wi-Fi: sudo nmcli device wifi connect NAME password PASSWORD",
    )
}

/// Looks the server's name up; true when it is known or needs no look-up.
pub async fn dns(host: &str) -> (Line, bool) {
    let name = "DNS";
    if host.parse::<IpAddr>().is_ok() {
        return (Line::skipped(name, format!("{host} is an address already")), true);
    }
    let found = match tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host, 0))).await {
        Ok(Ok(found)) => Ok(found.map(|found| found.ip()).collect()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    let line = resolved(host, found);
    let known = line.cure.is_none();
    (line, known)
}

/// Judges the answer of a look-up.
fn resolved(host: &str, found: Result<Vec<IpAddr>, String>) -> Line {
    let name = "DNS";
    let cure =
        || format!("see that the name server works (resolvectl status) and knows it: getent hosts {host}");
    match found {
        Ok(addresses) => match addresses.first() {
            Some(first) => Line::ok(name, format!("{host} is {first}")),
            None => Line::failed(name, format!("{host} has no address"), cure()),
        },
        Err(error) => Line::failed(name, format!("{host} cannot be looked up: {error}"), cure()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{board::tests::tree, doctor::Verdict};

    const HEAD: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    #[test]
    fn a_default_route_is_found_in_both_families() {
        let v4 = format!(
            "{HEAD}wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
             wlan0\t0001A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0\n"
        );
        let root = tree(&[("proc/net/route", &v4)]);
        let line = network(&read(root.path()));
        assert_eq!(line, Line::ok("network", "a default route by wlan0"));
        let zeros = "0".repeat(32);
        let v6 = format!(
            "{zeros} 00 {zeros} 00 fe800000000000000000000000000001 00000400 1 0 00000003 eth0\n\
             {zeros} 00 {zeros} 00 {zeros} ffffffff 1 0 00200200 lo\n"
        );
        assert_eq!(ways(HEAD, &v6), ["eth0"]);
        assert!(ways("", "").is_empty());
    }

    #[test]
    fn an_interface_without_a_route_is_half_a_network() {
        let root =
            tree(&[("sys/class/net/eth0/operstate", "up\n"), ("sys/class/net/lo/operstate", "unknown\n")]);
        let line = network(&read(root.path()));
        assert_eq!(line.verdict, Verdict::Warning, "{line}");
        assert!(line.found.starts_with("eth0 is up"), "{line}");
        let none = network(&Network::default());
        assert!(none.verdict == Verdict::Failed && none.cure.unwrap().contains("cable"));
    }

    #[tokio::test]
    async fn a_name_that_nobody_knows_fails_with_a_way_to_look() {
        let (line, known) = dns("fleet.invalid").await;
        assert!(!known && line.verdict == Verdict::Failed, "{line}");
        assert!(line.cure.unwrap().contains("getent hosts fleet.invalid"));
        assert!(dns("localhost").await.1 && dns("::1").await.1);
    }
}
