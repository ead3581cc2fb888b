//! Who may ask the demo's page for anything.
//!
//! Whoever reaches these addresses can make the demo sign notices. The loopback listener
//! keeps other machines out; these checks keep out the other pages of the same browser: a
//! foreign name that was made to point here (DNS rebinding) shows in `Host`, a request
//! that a foreign page sends shows in `Origin` and `Sec-Fetch-Site`.

use std::net::SocketAddr;

use httpd::Reply;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Method};

use super::refusal::Refusal;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names the page goes by, and what its answers allow.
#[derive(Debug)]
pub(crate) struct Gate {
    hosts: [String; 2],
    policy: HeaderValue,
}

impl Gate {
    /// For a page on `port` of the loopback address, whose script talks to `publisher`.
    pub(crate) fn new(port: u16, publisher: SocketAddr) -> Self {
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
             connect-src 'self' ws://{publisher}; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        );
        Self {
            hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}")],
            policy: HeaderValue::try_from(policy).expect("an address is plain text"),
        }
    }

    /// Lets a request in, or says what gives it away as somebody else's.
    ///
    /// `is_page` is set where a person may follow a link from anywhere: the answer shows
    /// what everybody has, and no other page can read or frame it.
    pub(crate) fn admit(
        &self,
        method: &Method,
        headers: &HeaderMap,
        is_page: bool,
    ) -> Result<(), Refusal> {
        let host = only(headers, &HOST).ok_or(Refusal::Host)?;
        if !self.hosts.iter().any(|ours| host == ours.as_str()) {
            return Err(Refusal::Host);
        }
        let is_ours = |origin: &HeaderValue| {
            origin
                .to_str()
                .ok()
                .and_then(|own| own.strip_prefix("http://"))
                == host.to_str().ok()
        };
        if !headers.get_all(ORIGIN).iter().all(is_ours) {
            return Err(Refusal::Origin);
        }
        let reads = matches!(*method, Method::GET | Method::HEAD);
        // Browsers put it on whatever may change something.
        if !reads && !headers.contains_key(ORIGIN) {
            return Err(Refusal::Origin);
        }
        let site_is_ours = |site: &HeaderValue| site == "same-origin" || site == "none";
        let is_navigation = is_page && reads;
        if !is_navigation && !headers.get_all(SEC_FETCH_SITE).iter().all(site_is_ours) {
            return Err(Refusal::Origin);
        }
        Ok(())
    }

    /// Tells the browser what the page may do: run and fetch its own things, open the one
    /// WebSocket, and be framed, embedded and kept by nobody.
    pub(crate) fn seal(&self, reply: &mut Reply) {
        let headers = reply.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        for (name, value) in [
            (CACHE_CONTROL, "no-store"),
            (REFERRER_POLICY, "no-referrer"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (
                HeaderName::from_static("cross-origin-opener-policy"),
                "same-origin",
            ),
            (
                HeaderName::from_static("cross-origin-resource-policy"),
                "same-origin",
            ),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// The header's value, if it is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let (first, None) = (values.next()?, values.next()) else {
        return None;
    };
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate::new(8083, SocketAddr::from(([127, 0, 0, 1], 8081)))
    }

    fn asked(method: &Method, is_page: bool, headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        gate().admit(method, &map, is_page).is_ok()
    }

    #[test]
    fn only_the_pages_own_names_are_answered() {
        for own in ["127.0.0.1:8083", "localhost:8083"] {
            assert!(asked(&Method::GET, false, &[("host", own)]), "{own}");
        }
        for other in [
            "evil.example",
            "evil.example:8083",
            "127.0.0.1",
            "127.0.0.1:8084",
            "localhost:8083.evil.example",
            "localhost:8083@evil.example",
            "[::1]:8083",
            "",
        ] {
            assert!(!asked(&Method::GET, true, &[("host", other)]), "{other}");
        }
        let twice = [("host", "localhost:8083"), ("host", "evil.example")];
        assert!(!asked(&Method::GET, true, &[]) && !asked(&Method::GET, true, &twice));
    }

    #[test]
    fn a_request_of_another_page_is_refused() {
        let host = ("host", "127.0.0.1:8083");
        let own = ("origin", "http://127.0.0.1:8083");
        assert!(asked(&Method::POST, false, &[host, own]));
        for other in [
            "http://evil.example",
            "http://localhost:8083",
            "https://127.0.0.1:8083",
            "http://127.0.0.1",
            "http://127.0.0.1:3000",
            "null",
        ] {
            for method in [Method::GET, Method::POST] {
                assert!(!asked(&method, true, &[host, ("origin", other)]), "{other}");
            }
        }
        assert!(!asked(&Method::POST, false, &[host]), "a POST from nowhere");
        let both = [host, own, ("origin", "http://evil.example")];
        assert!(!asked(&Method::POST, false, &both));
    }

    #[test]
    fn another_site_may_link_to_the_page_and_nothing_else() {
        let host = ("host", "127.0.0.1:8083");
        for (site, page, data) in [
            ("none", true, true),
            ("same-origin", true, true),
            ("same-site", true, false),
            ("cross-site", true, false),
        ] {
            let headers = [host, ("sec-fetch-site", site)];
            assert_eq!(asked(&Method::GET, true, &headers), page, "{site}");
            assert_eq!(asked(&Method::GET, false, &headers), data, "{site}");
        }
        let posted = [
            host,
            ("origin", "http://127.0.0.1:8083"),
            ("sec-fetch-site", "cross-site"),
        ];
        assert!(!asked(&Method::POST, true, &posted));
    }
}
