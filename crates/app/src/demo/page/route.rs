//! The addresses of the demo's page.

use hyper::Method;
use order::OrderId;

use super::refusal::Refusal;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Sends on to the page.
    Home,
    /// A file that is part of this program.
    File(&'static File),
    /// What the script needs to connect, and the offers.
    Session,
    /// What the player holds.
    Inventory,
    /// Buys an offer.
    Buy,
    /// What the ledger knows of an order.
    Order(OrderId),
    /// Cancels an order.
    Cancel(OrderId),
}

/// A file that is part of this program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct File {
    path: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) text: &'static str,
}

static FILES: [File; 5] = [
    File {
        path: "/demo",
        content_type: "text/html; charset=utf-8",
        text: include_str!("page.html"),
    },
    File {
        path: "/demo/page.css",
        content_type: "text/css; charset=utf-8",
        text: include_str!("page.css"),
    },
    File {
        path: "/demo/page.js",
        content_type: "text/javascript; charset=utf-8",
        text: include_str!("page.js"),
    },
    File {
        path: "/demo/client.js",
        content_type: "text/javascript; charset=utf-8",
        text: include_str!("client.js"),
    },
    File {
        path: "/demo/icon.svg",
        content_type: "image/svg+xml",
        text: include_str!("icon.svg"),
    },
];

impl Route {
    /// Finds what is at `path`, whoever may ask for it.
    pub(crate) fn of(path: &str) -> Result<Self, Refusal> {
        if let Some(file) = FILES.iter().find(|file| file.path == path) {
            return Ok(Self::File(file));
        }
        match path {
            "/" | "/demo/" => return Ok(Self::Home),
            "/demo/session" => return Ok(Self::Session),
            "/demo/inventory" => return Ok(Self::Inventory),
            "/demo/orders" => return Ok(Self::Buy),
            _ => {}
        }
        let order = path.strip_prefix("/demo/orders/").ok_or(Refusal::NoRoute)?;
        let (order, cancels) = match order.strip_suffix("/cancel") {
            Some(order) => (order, true),
            None => (order, false),
        };
        let order = order.parse().map_err(|_| Refusal::NoRoute)?;
        Ok(if cancels {
            Self::Cancel(order)
        } else {
            Self::Order(order)
        })
    }

    /// Whether a person may come here by a link from anywhere.
    pub(crate) fn is_page(self) -> bool {
        match self {
            Self::Home => true,
            Self::File(file) => file.path == "/demo",
            Self::Session | Self::Inventory | Self::Buy | Self::Order(_) | Self::Cancel(_) => false,
        }
    }

    /// Whether it can be asked for so.
    pub(crate) fn takes(self, method: &Method) -> Result<(), Refusal> {
        let (taken, told) = match self {
            Self::Buy | Self::Cancel(_) => (*method == Method::POST, "POST"),
            Self::Home | Self::File(_) | Self::Session | Self::Inventory | Self::Order(_) => {
                (matches!(*method, Method::GET | Method::HEAD), "GET, HEAD")
            }
        };
        if taken {
            Ok(())
        } else {
            Err(Refusal::Method(told))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_takes_its_own_method_alone() {
        for (path, posts) in [
            ("/", false),
            ("/demo", false),
            ("/demo/client.js", false),
            ("/demo/session", false),
            ("/demo/inventory", false),
            ("/demo/orders/7", false),
            ("/demo/orders", true),
            ("/demo/orders/7/cancel", true),
        ] {
            let route = Route::of(path).unwrap();
            assert_eq!(route.takes(&Method::POST).is_ok(), posts, "{path}");
            assert_eq!(route.takes(&Method::GET).is_ok(), !posts, "{path}");
            for never in [
                Method::PUT,
                Method::DELETE,
                Method::OPTIONS,
                Method::CONNECT,
            ] {
                assert!(route.takes(&never).is_err(), "{never} {path}");
            }
        }
    }

    #[test]
    fn nothing_else_is_an_address() {
        for path in [
            "",
            "/demo/page.html",
            "/demo/../etc/passwd",
            "/demo/orders/",
            "/demo/orders/seven",
            "/demo/orders/-7",
            "/demo/orders/7/refund",
            "/demo/orders/7/cancel/",
        ] {
            assert!(Route::of(path).is_err(), "{path}");
        }
    }
}
