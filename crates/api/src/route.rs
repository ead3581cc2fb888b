//! Paths, in one table.

use std::fmt::Display;
use std::str::FromStr;

use httpd::Description;
use hyper::Method;
use order::{OrderId, PlayerId, ProjectId, TransactionId};
use serde_json::Value;
use task::ParkedId;

use crate::fault::Fault;
use crate::{Right, openapi};

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Project(ProjectId),
    RegisterPlayer(ProjectId, PlayerId),
    OrdersOf(ProjectId, PlayerId),
    Inventory(ProjectId, PlayerId),
    NoticesOf(ProjectId, PlayerId),
    RegisterOrder(ProjectId, OrderId),
    Order(ProjectId, OrderId),
    Transaction(ProjectId, TransactionId),
    ParkedList,
    Parked(ParkedId),
    Replay(ParkedId),
}

/// One thing to ask for: how, and what it takes.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) method: Method,
    /// The path with names in place of ids, for logs, metrics and the description.
    pub(crate) template: &'static str,
    /// What its caller must be allowed.
    pub(crate) right: Right,
    read: fn(&Ids<'_>) -> Result<Route, Fault>,
    pub(crate) describe: fn(&mut Description) -> Value,
}

const PLAYER: &str = "/v1/projects/{project}/players/{player}";
const ORDER: &str = "/v1/projects/{project}/orders/{order}";

/// Everything there is to ask for with a key. What is not here is neither served nor
/// described.
pub(crate) static ENDPOINTS: [Endpoint; 11] = [
    Endpoint {
        method: Method::GET,
        template: "/v1/projects/{project}",
        right: Right::Read,
        read: |ids| Ok(Route::Project(ids.project()?)),
        describe: openapi::about,
    },
    Endpoint {
        method: Method::PUT,
        template: PLAYER,
        right: Right::Register,
        read: |ids| Ok(Route::RegisterPlayer(ids.project()?, ids.player()?)),
        describe: openapi::register_player,
    },
    Endpoint {
        method: Method::GET,
        template: "/v1/projects/{project}/players/{player}/orders",
        right: Right::Read,
        read: |ids| Ok(Route::OrdersOf(ids.project()?, ids.player()?)),
        describe: openapi::orders_of,
    },
    Endpoint {
        method: Method::GET,
        template: "/v1/projects/{project}/players/{player}/notices",
        right: Right::Read,
        read: |ids| Ok(Route::NoticesOf(ids.project()?, ids.player()?)),
        describe: openapi::notices_of,
    },
    Endpoint {
        method: Method::GET,
        template: "/v1/projects/{project}/players/{player}/inventory",
        right: Right::Read,
        read: |ids| Ok(Route::Inventory(ids.project()?, ids.player()?)),
        describe: openapi::inventory,
    },
    Endpoint {
        method: Method::GET,
        template: ORDER,
        right: Right::Read,
        read: |ids| Ok(Route::Order(ids.project()?, ids.get("order")?)),
        describe: openapi::order,
    },
    Endpoint {
        method: Method::PUT,
        template: ORDER,
        right: Right::Register,
        read: |ids| Ok(Route::RegisterOrder(ids.project()?, ids.get("order")?)),
        describe: openapi::register_order,
    },
    Endpoint {
        method: Method::GET,
        template: "/v1/projects/{project}/transactions/{transaction}",
        right: Right::Read,
        read: |ids| Ok(Route::Transaction(ids.project()?, ids.get("transaction")?)),
        describe: openapi::transaction,
    },
    Endpoint {
        method: Method::GET,
        template: "/v1/parked",
        right: Right::Read,
        read: |_| Ok(Route::ParkedList),
        describe: openapi::parked_list,
    },
    Endpoint {
        method: Method::GET,
        template: "/v1/parked/{id}",
        right: Right::Read,
        read: |ids| Ok(Route::Parked(ids.get("id")?)),
        describe: openapi::parked,
    },
    Endpoint {
        method: Method::POST,
        template: "/v1/parked/{id}/replay",
        right: Right::Replay,
        read: |ids| Ok(Route::Replay(ids.get("id")?)),
        describe: openapi::replay,
    },
];

/// What stands in a path where its template has names.
struct Ids<'a>(Vec<(&'static str, &'a str)>);

impl Ids<'_> {
    fn project(&self) -> Result<ProjectId, Fault> {
        self.get("project")
    }

    fn player(&self) -> Result<PlayerId, Fault> {
        self.get("player")
    }

    fn get<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, Fault> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        let (_, text) = found.ok_or(Fault::NoRoute)?;
        text.parse()
            .map_err(|fault| Fault::Input(format!("`{name}` in the path: {fault}")))
    }
}

impl Endpoint {
    /// The ids in a path of this endpoint; none for another's path.
    fn ids<'a>(&self, segments: &'a [String]) -> Option<Ids<'a>> {
        let names = self.template.split('/').skip(1);
        if names.clone().count() != segments.len() {
            return None;
        }
        let mut ids = Vec::new();
        for (name, segment) in names.zip(segments) {
            match name
                .strip_prefix('{')
                .and_then(|name| name.strip_suffix('}'))
            {
                Some(name) => ids.push((name, segment.as_str())),
                None if name == segment => {}
                None => return None,
            }
        }
        Some(Ids(ids))
    }

    /// Whether it takes this method. hyper leaves the body out of an answer to HEAD.
    fn takes(&self, method: &Method) -> bool {
        self.method == method || (self.method == Method::GET && method == Method::HEAD)
    }
}

/// Finds what a request asks for.
pub(crate) fn find(method: &Method, path: &str) -> Result<(&'static Endpoint, Route), Fault> {
    let segments = path
        .split('/')
        .skip(1)
        .map(|segment| decode(segment, false))
        .collect::<Result<Vec<String>, Fault>>()?;
    let mut allowed = Vec::new();
    for endpoint in &ENDPOINTS {
        let Some(ids) = endpoint.ids(&segments) else {
            continue;
        };
        if endpoint.takes(method) {
            return Ok((endpoint, (endpoint.read)(&ids)?));
        }
        allowed.push(endpoint.method.as_str());
        if endpoint.method == Method::GET {
            allowed.push("HEAD");
        }
    }
    if allowed.is_empty() {
        return Err(Fault::NoRoute);
    }
    Err(Fault::WrongMethod {
        allowed: allowed.join(", "),
    })
}

impl Route {
    /// The project in the path.
    pub(crate) const fn project(&self) -> Option<ProjectId> {
        match self {
            Self::Project(project)
            | Self::RegisterPlayer(project, _)
            | Self::OrdersOf(project, _)
            | Self::Inventory(project, _)
            | Self::NoticesOf(project, _)
            | Self::RegisterOrder(project, _)
            | Self::Order(project, _)
            | Self::Transaction(project, _) => Some(*project),
            Self::ParkedList | Self::Parked(_) | Self::Replay(_) => None,
        }
    }
}

/// Undoes percent-encoding. In a query a plus sign is a blank.
pub(crate) fn decode(text: &str, plus_is_blank: bool) -> Result<String, Fault> {
    let refused = || Fault::Input("the address is not percent-encoded UTF-8".into());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let (high, low) = high.zip(low).ok_or_else(refused)?;
                u8::try_from(high * 16 + low).map_err(|_| refused())?
            }
            b'+' if plus_is_blank => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn player(path: &str) -> Result<String, &'static str> {
        match find(&Method::PUT, &format!("/v1/projects/1/players/{path}")) {
            Ok((_, Route::RegisterPlayer(_, player))) => Ok(player.as_str().to_owned()),
            Ok(_) => Err("another route"),
            Err(fault) => Err(fault.code()),
        }
    }

    #[test]
    fn a_player_is_decoded_once_and_whole() {
        assert_eq!(player("mira"), Ok("mira".into()));
        assert_eq!(player("a%2Fb"), Ok("a/b".into()));
        assert_eq!(
            player("%D0%B8%D0%B3%D1%80%D0%BE%D0%BA%201"),
            Ok("игрок 1".into())
        );
        assert_eq!(player("a+b"), Ok("a+b".into()));
        assert_eq!(player("100%25"), Ok("100%".into()));
        assert_eq!(player("%252F"), Ok("%2F".into()));
        assert_eq!(player(".."), Ok("..".into()));
    }

    #[test]
    fn what_is_no_encoding_or_no_player_is_refused() {
        for path in ["%", "%2", "%zz", "%+1", "%ff", "%00", "a%0Ab", ""] {
            assert_eq!(player(path), Err("invalid"), "{path}");
        }
    }

    #[test]
    fn only_known_paths_and_methods_are_routes() {
        let fault = |method, path| find(&method, path).unwrap_err().code();
        for path in [
            "/",
            "/v1",
            "/v1/projects",
            "/v1/parked/1/",
            "/v2/parked",
            "//v1/parked",
        ] {
            assert_eq!(fault(Method::GET, path), "no_route", "{path}");
        }
        assert_eq!(fault(Method::DELETE, "/v1/parked"), "wrong_method");
        assert_eq!(fault(Method::GET, "/v1/parked/1/replay"), "wrong_method");
        assert_eq!(
            fault(Method::POST, "/v1/projects/1/orders/7"),
            "wrong_method"
        );
        assert_eq!(fault(Method::HEAD, "/v1/parked/1/replay"), "wrong_method");
        assert_eq!(fault(Method::GET, "/v1/projects/one/orders/7"), "invalid");
        assert_eq!(fault(Method::GET, "/v1/projects/1/orders/07"), "invalid");
    }

    #[test]
    fn every_endpoint_is_found_by_its_own_path() {
        for endpoint in &ENDPOINTS {
            let segments = endpoint.template.split('/');
            let filled = segments.map(|name| if name.starts_with('{') { "1" } else { name });
            let path = filled.collect::<Vec<_>>().join("/");
            let (found, _) = find(&endpoint.method, &path).unwrap();
            assert_eq!(found.template, endpoint.template);
            assert_eq!(found.method, endpoint.method);
        }
    }

    #[test]
    fn what_is_got_can_be_asked_for_without_its_body() {
        let (endpoint, route) = find(&Method::HEAD, "/v1/parked/1").unwrap();
        assert_eq!(
            (endpoint.right, route),
            (Right::Read, Route::Parked(ParkedId(1)))
        );
        let fault = find(&Method::OPTIONS, "/v1/projects/1/orders/7").unwrap_err();
        assert_eq!(fault.to_string(), "this path takes GET, HEAD, PUT only");
    }
}
