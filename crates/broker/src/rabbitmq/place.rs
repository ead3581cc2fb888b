//! Where the broker is, and what to do when it is not there, for a person.

use std::fmt;
use std::time::Duration;

use lapin::ErrorKind;
use lapin::uri::AMQPUri;

use super::link::is_not_found;

/// Login refused.
const ACCESS_REFUSED: u16 = 403;
/// No such virtual host, or not for this user.
const NOT_ALLOWED: u16 = 530;

/// An address of a broker without its password.
#[derive(Clone, Debug)]
pub(super) struct Place {
    server: String,
    user: String,
    vhost: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RabbitMQ at {}", self.server)
    }
}

impl Place {
    pub(super) fn of(uri: &AMQPUri) -> Self {
        let authority = &uri.authority;
        Self {
            server: format!("{}:{}", authority.host, authority.port),
            user: authority.userinfo.username.clone(),
            vhost: uri.vhost.clone(),
        }
    }

    /// Host, port and virtual host.
    pub(super) fn full(&self) -> String {
        format!("{}/{}", self.server, self.vhost)
    }

    /// Why no connection came about.
    pub(super) fn refused(&self, error: &lapin::Error) -> String {
        let Self { user, vhost, .. } = self;
        if is_fault(error, ACCESS_REFUSED) {
            format!(
                "{self} refuses user `{user}` or their password ({error}); expected a user of \
                 this broker in `broker.url`: correct it, or the user with `rabbitmqctl`"
            )
        } else if is_fault(error, NOT_ALLOWED) {
            format!(
                "{self} has no virtual host `{vhost}` for user `{user}` ({error}); expected the \
                 one in `broker.url`: correct it, or create it with `rabbitmqctl add_vhost` and \
                 `set_permissions`"
            )
        } else if matches!(error.kind(), ErrorKind::IOError(_)) {
            format!(
                "cannot reach {self} ({error}); expected a running broker there: start it, or \
                 correct `broker.url`, or `broker.tls` where a certificate is at fault"
            )
        } else {
            format!("the connection to {self} failed ({error}); check `broker.url`")
        }
    }

    /// Why it counts as away.
    pub(super) fn silent(&self, limit: Duration) -> String {
        format!("{self} did not answer within {limit:?}; check that it is well, and `broker.url`")
    }

    /// Why its topology cannot be used.
    pub(super) fn lacks(&self, name: &str, error: &lapin::Error) -> String {
        if is_not_found(error) {
            let vhost = &self.vhost;
            format!(
                "`{name}` is missing in virtual host `{vhost}` of {self}; expected the topology \
                 of this version: run `grantline migrate`"
            )
        } else {
            format!("cannot look at `{name}` on {self}: {error}")
        }
    }
}

/// Whether the broker says that the user may not do this.
pub(super) fn is_refusal(error: &lapin::Error) -> bool {
    is_fault(error, ACCESS_REFUSED)
}

fn is_fault(error: &lapin::Error, code: u16) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(fault) if fault.get_id() == code)
}
