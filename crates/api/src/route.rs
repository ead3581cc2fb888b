//! Paths.

use std::fmt::Display;
use std::str::FromStr;

use hyper::Method;
use order::{OrderId, PlayerId, ProjectId, TransactionId};
use task::ParkedId;

use crate::Right;
use crate::fault::Fault;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
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

impl Route {
    pub(crate) fn of(method: &Method, path: &str) -> Result<Self, Fault> {
        let segments = path
            .split('/')
            .skip(1)
            .map(|segment| decode(segment, false))
            .collect::<Result<Vec<String>, Fault>>()?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let only = |method_of: Method, allowed, route| {
            if *method == method_of {
                Ok(route)
            } else {
                Err(Fault::WrongMethod { allowed })
            }
        };
        match segments.as_slice() {
            ["v1", "projects", project, "orders", order] => {
                let (project, order) = (id("project", project)?, id("order", order)?);
                match *method {
                    Method::GET => Ok(Self::Order(project, order)),
                    Method::PUT => Ok(Self::RegisterOrder(project, order)),
                    _ => Err(Fault::WrongMethod {
                        allowed: "GET, PUT",
                    }),
                }
            }
            ["v1", "projects", project, "players", player, below @ ..] => {
                let (project, player) = (id("project", project)?, id("player", player)?);
                match below {
                    [] => only(Method::PUT, "PUT", Self::RegisterPlayer(project, player)),
                    ["orders"] => only(Method::GET, "GET", Self::OrdersOf(project, player)),
                    ["notices"] => only(Method::GET, "GET", Self::NoticesOf(project, player)),
                    ["inventory"] => only(Method::GET, "GET", Self::Inventory(project, player)),
                    _ => Err(Fault::NoRoute),
                }
            }
            ["v1", "projects", project, "transactions", transaction] => {
                let (project, number) = (id("project", project)?, id("transaction", transaction)?);
                only(Method::GET, "GET", Self::Transaction(project, number))
            }
            ["v1", "parked"] => only(Method::GET, "GET", Self::ParkedList),
            ["v1", "parked", number] => only(Method::GET, "GET", Self::Parked(id("id", number)?)),
            ["v1", "parked", number, "replay"] => {
                only(Method::POST, "POST", Self::Replay(id("id", number)?))
            }
            _ => Err(Fault::NoRoute),
        }
    }

    /// The path with names in place of ids, for logs and metrics.
    pub(crate) const fn template(&self) -> &'static str {
        match self {
            Self::RegisterPlayer(..) => "/v1/projects/{project}/players/{player}",
            Self::OrdersOf(..) => "/v1/projects/{project}/players/{player}/orders",
            Self::NoticesOf(..) => "/v1/projects/{project}/players/{player}/notices",
            Self::Inventory(..) => "/v1/projects/{project}/players/{player}/inventory",
            Self::RegisterOrder(..) | Self::Order(..) => "/v1/projects/{project}/orders/{order}",
            Self::Transaction(..) => "/v1/projects/{project}/transactions/{transaction}",
            Self::ParkedList => "/v1/parked",
            Self::Parked(_) => "/v1/parked/{id}",
            Self::Replay(_) => "/v1/parked/{id}/replay",
        }
    }

    /// What its caller must be allowed.
    pub(crate) const fn right(&self) -> Right {
        match self {
            Self::RegisterPlayer(..) | Self::RegisterOrder(..) => Right::Register,
            Self::OrdersOf(..)
            | Self::Inventory(..)
            | Self::NoticesOf(..)
            | Self::Order(..)
            | Self::Transaction(..)
            | Self::ParkedList
            | Self::Parked(_) => Right::Read,
            Self::Replay(_) => Right::Replay,
        }
    }

    /// The project in the path.
    pub(crate) const fn project(&self) -> Option<ProjectId> {
        match self {
            Self::RegisterPlayer(project, _)
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

fn id<T: FromStr<Err: Display>>(what: &str, text: &str) -> Result<T, Fault> {
    text.parse()
        .map_err(|fault| Fault::Input(format!("`{what}` in the path: {fault}")))
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
        match Route::of(&Method::PUT, &format!("/v1/projects/1/players/{path}")) {
            Ok(Route::RegisterPlayer(_, player)) => Ok(player.as_str().to_owned()),
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
        let fault = |method, path| Route::of(&method, path).unwrap_err().code();
        for path in [
            "/",
            "/v1",
            "/v1/projects/1",
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
        assert_eq!(fault(Method::GET, "/v1/projects/one/orders/7"), "invalid");
        assert_eq!(fault(Method::GET, "/v1/projects/1/orders/07"), "invalid");
    }
}
