//! The HTTP/1 server of every role, and the admin routes.
//!
//! hyper parses; this crate adds what hyper leaves to its user: a time-out for heads, for
//! bodies and for idle connections, a size for bodies, alone and together, a cap on
//! connections, a drain that finishes what is in flight, and a wall around handlers that
//! panic. Binding is apart from serving, so that a process reports a taken address before it
//! serves anything.
//!
//! HTTP/2 is not offered: a gateway in front speaks it if anybody needs it.

mod admin;
mod body;
mod description;
mod limits;
mod listener;
mod method;
mod metrics;
mod readiness;
mod reply;
mod serve;
mod stream;

pub use admin::Admin;
pub use body::{Body, BodyError, read_body};
pub use description::Description;
pub use limits::Limits;
pub use listener::{BindError, Connections, Listener};
pub use method::method_name;
pub use metrics::{tell_connections, tell_dependencies};
pub use readiness::{Check, Need, Readiness, Report, State};
pub use reply::{Reply, bytes, empty, json, text};
pub use serve::{Service, serve};
pub use stream::{NotOurs, take_over};

/// What a handler is given: the head, and a body for [`read_body`].
pub type Request = hyper::Request<Body>;
