//! Which web pages may connect and ask.

use httpd::Reply;
use hyper::HeaderMap;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderValue, ORIGIN, VARY,
};

/// The web origins of the games; none listed allows all.
#[derive(Clone, Debug)]
pub(crate) struct Origins(Vec<String>);

impl Origins {
    pub(crate) fn new(allowed: Vec<String>) -> Self {
        let bare = |origin: String| origin.trim_end_matches('/').to_ascii_lowercase();
        Self(allowed.into_iter().map(bare).collect())
    }

    /// Whether a request may come from where it says. Native clients say nothing.
    pub(crate) fn allow(&self, headers: &HeaderMap) -> bool {
        headers
            .get_all(ORIGIN)
            .iter()
            .all(|origin| self.lists(origin))
    }

    fn lists(&self, origin: &HeaderValue) -> bool {
        self.0.is_empty()
            || origin.to_str().is_ok_and(|origin| {
                self.0
                    .iter()
                    .any(|listed| listed.eq_ignore_ascii_case(origin))
            })
    }

    /// Lets the browser hand `reply` to the page that asked, if the page may have it.
    pub(crate) fn share(&self, asked_by: Option<&HeaderValue>, reply: &mut Reply) {
        let headers = reply.headers_mut();
        if self.0.is_empty() {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else {
            headers.append(VARY, HeaderValue::from_static("Origin"));
            let Some(origin) = asked_by.filter(|origin| self.lists(origin)) else {
                return;
            };
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("ETag, Retry-After"),
        );
    }

    /// What a browser has to know before it sends a token along.
    pub(crate) fn permit(reply: &mut Reply) {
        let headers = reply.headers_mut();
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET"),
        );
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("Authorization, Content-Type, If-None-Match"),
        );
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(origin: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static(origin))])
    }

    #[test]
    fn a_listed_origin_a_native_client_and_nobody_else_may_connect() {
        let origins = Origins::new(vec!["https://Game.example/".to_owned()]);
        assert!(origins.allow(&from("https://game.example")));
        assert!(origins.allow(&HeaderMap::new()));
        for other in ["https://game.example.evil", "http://game.example", "null"] {
            assert!(!origins.allow(&from(other)), "{other}");
        }
        assert!(Origins::new(Vec::new()).allow(&from("https://any.example")));
    }
}
