//! `grantline healthcheck`: what `/ready` or `/live` of the process beside this one says, as an
//! exit code, for images in which there is nothing else to ask with.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use crate::cli::{Healthcheck, Probe};
use crate::configuration::{Admin, Configuration, Sources};

/// How long a connection, and then each part of the answer, may take. Below what whoever runs
/// this waits for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// What is read of an answer.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
const LISTEN: &str = "GRANTLINE__ADMIN__LISTEN";

pub(crate) fn run(health: &Healthcheck, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let path = match health.probe {
        Probe::Ready => "/ready",
        Probe::Live => "/live",
    };
    let at = reachable(listen(&super::sources(config)?)?);
    let answer = ask(at, path).with_context(|| format!("http://{at}{path} does not answer"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    writeln!(io::stdout(), "{}", body.trim_end())?;
    Ok(if says_yes(head) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Without a file the environment alone says where it listens, on the demo's stack too; the
/// rest of the configuration, secrets above all, is then not looked at.
fn listen(sources: &Sources) -> anyhow::Result<SocketAddr> {
    if sources.file.is_some() {
        return Ok(Configuration::load(sources)?.value.admin.listen);
    }
    let set = sources.environment.iter().find(|(name, _)| name == LISTEN);
    set.map_or(Ok(Admin::default().listen), |(_, address)| {
        let expected = || format!("{LISTEN}: expected an address and a port");
        address.parse().with_context(expected)
    })
}

/// Where something that listens on `listen` can be asked from the same machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn ask(at: SocketAddr, path: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect_timeout(&at, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    connection.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn says_yes(head: &str) -> bool {
    head.split(' ').nth(1) == Some("200")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(listen: Option<&str>) -> Sources {
        let set = listen.map(|address| (LISTEN.to_owned(), address.to_owned()));
        Sources {
            file: None,
            environment: set.into_iter().collect(),
        }
    }

    #[test]
    fn who_listens_everywhere_is_asked_on_loopback() {
        let at = |listen| reachable(super::listen(&sources(listen)).unwrap()).to_string();
        assert_eq!(at(None), "127.0.0.1:9090");
        assert_eq!(at(Some("[::]:7")), "[::1]:7");
        assert_eq!(at(Some("10.1.2.3:7")), "10.1.2.3:7");
        assert!(listen(&sources(Some("9090"))).is_err());
    }

    #[test]
    fn only_a_200_is_a_yes() {
        assert!(says_yes("HTTP/1.1 200 OK\r\nserver: x"));
        assert!(!says_yes("HTTP/1.1 503 Service Unavailable"));
        assert!(!says_yes("200"));
        assert!(!says_yes(""));
    }
}
