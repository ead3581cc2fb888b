//! RabbitMQ's management API, as far as `grantline migrate` and `grantline doctor` need it.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue};
use hyper::http::response::Parts;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lapin::uri::{AMQPScheme, AMQPUri};
use secret::Endpoint;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::link::address;
use crate::Config;

/// Longest wait for one answer; declaring a queue on a busy cluster takes seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Why the topology could not be declared or checked.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// An address in the configuration is none. It is not shown: it holds a password.
    #[error("{0}")]
    Address(String),
    /// The certificates for TLS cannot be used.
    #[error("cannot use the certificates of `broker.tls`")]
    Certificates(#[source] secret::TlsFault),
    /// Nothing answers there.
    #[error(
        "cannot reach RabbitMQ's management API at {address}; expected the plugin \
         `rabbitmq_management` there: enable it, or correct `broker.management_url`, or `broker.tls` where a certificate is at \
         fault"
    )]
    Unreachable {
        /// Where it was looked for.
        address: String,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something took the request and did not answer.
    #[error(
        "no answer from RabbitMQ's management API at {address} within {ANSWER_TIMEOUT:?}; check \
         that it is well, and `broker.management_url`"
    )]
    TimedOut {
        /// Where.
        address: String,
    },
    /// User or password are wrong, or the user may not do this.
    #[error(
        "RabbitMQ's management API at {address} refuses user `{user}` ({reason}); \
         check the password, the tag `policymaker` and the permissions on virtual host `{vhost}`"
    )]
    Refused {
        /// Where.
        address: String,
        /// Who asked.
        user: String,
        /// On which virtual host.
        vhost: String,
        /// As RabbitMQ says.
        reason: String,
    },
    /// The virtual host does not exist, or the address is not RabbitMQ's.
    #[error(
        "virtual host `{vhost}` is not known to RabbitMQ's management API at {address}; expected \
         the one in `broker.url`: correct it, or create it with `rabbitmqctl add_vhost`"
    )]
    NoVhost {
        /// Where.
        address: String,
        /// Which.
        vhost: String,
    },
    /// Something of that name exists with other arguments, which cannot be changed.
    #[error("{object} exists and differs: {reason}; move its messages away and delete it")]
    Differs {
        /// Such as `queue grantline.grant.v1`.
        object: String,
        /// As RabbitMQ says.
        reason: String,
    },
    /// An answer that fits nothing above.
    #[error("RabbitMQ's management API answered {status} for {object}: {reason}")]
    Unexpected {
        /// What was asked about.
        object: String,
        /// The HTTP status.
        status: u16,
        /// As RabbitMQ says.
        reason: String,
    },
}

/// A client bound to one virtual host.
pub(super) struct Management {
    client: Transport,
    address: String,
    authorization: HeaderValue,
    user: String,
    pub(super) vhost: String,
}

enum Transport {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

#[derive(serde::Deserialize)]
struct Refusal {
    #[serde(default)]
    reason: serde_json::Value,
}

impl Management {
    pub(super) fn new(config: &Config) -> Result<Self, TopologyError> {
        let broker = address(config).map_err(TopologyError::Address)?;
        let place = Place::of(config, &broker)?;
        let client = if place.tls {
            let tls = config.tls.client_config();
            let tls = tls.map_err(TopologyError::Certificates)?;
            let connector = HttpsConnectorBuilder::new()
                .with_tls_config(tls)
                .https_only()
                .enable_http1()
                .build();
            Transport::Tls(Client::builder(TokioExecutor::new()).build(connector))
        } else {
            Transport::Plain(Client::builder(TokioExecutor::new()).build_http())
        };
        let credentials = STANDARD.encode(format!("{}:{}", place.user, place.password));
        let mut authorization = HeaderValue::try_from(format!("Basic {credentials}"))
            .expect("base64 is printable ASCII");
        authorization.set_sensitive(true);
        Ok(Self {
            client,
            address: place.address,
            authorization,
            user: place.user,
            vhost: broker.vhost,
        })
    }

    /// Reads something. `None` if it does not exist.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        object: &str,
        path: &str,
    ) -> Result<Option<T>, TopologyError> {
        let (read, _) = self.get_dated(object, path).await?;
        Ok(read)
    }

    /// The same, with the date that the server gives to its answer.
    pub(super) async fn get_dated<T: DeserializeOwned>(
        &self,
        object: &str,
        path: &str,
    ) -> Result<(Option<T>, Option<String>), TopologyError> {
        let (head, body) = self.call(Method::GET, path, Bytes::new()).await?;
        let date = head.headers.get(DATE).and_then(|date| date.to_str().ok());
        let date = date.map(str::to_owned);
        if head.status == StatusCode::NOT_FOUND {
            return Ok((None, date));
        }
        if !head.status.is_success() {
            return Err(self.fault(object, head.status, &body));
        }
        match serde_json::from_slice(&body) {
            Ok(read) => Ok((Some(read), date)),
            Err(error) => Err(TopologyError::Unexpected {
                object: object.to_owned(),
                status: head.status.as_u16(),
                reason: format!("not the expected JSON: {error}"),
            }),
        }
    }

    /// Creates something or leaves it as it is. Whether it is new.
    pub(super) async fn put(
        &self,
        method: Method,
        object: &str,
        path: &str,
        what: &(impl Serialize + Sync),
    ) -> Result<bool, TopologyError> {
        let body = serde_json::to_vec(what).expect("texts and numbers always serialise");
        let (Parts { status, .. }, body) = self.call(method, path, body.into()).await?;
        if status.is_success() {
            return Ok(status == StatusCode::CREATED);
        }
        Err(self.fault(object, status, &body))
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(Parts, Bytes), TopologyError> {
        let unreachable = |source| TopologyError::Unreachable {
            address: self.address.clone(),
            source,
        };
        let uri = format!("{}/api/{path}", self.address);
        let uri = Uri::try_from(uri).map_err(|error| unreachable(error.into()))?;
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| unreachable(error.into()))?;
        let exchange = async {
            let answer = match &self.client {
                Transport::Plain(client) => client.request(request).await,
                Transport::Tls(client) => client.request(request).await,
            };
            let answer = answer.map_err(|error| unreachable(error.into()))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX);
            let body = body.collect().await.map_err(unreachable)?;
            Ok((head, body.to_bytes()))
        };
        let timed_out = |_| TopologyError::TimedOut {
            address: self.address.clone(),
        };
        timeout(ANSWER_TIMEOUT, exchange).await.map_err(timed_out)?
    }

    /// Where it is, fit to be shown.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn no_vhost(&self) -> TopologyError {
        TopologyError::NoVhost {
            address: self.address.clone(),
            vhost: self.vhost.clone(),
        }
    }

    fn fault(&self, object: &str, status: StatusCode, body: &[u8]) -> TopologyError {
        let reason = match serde_json::from_slice::<Refusal>(body) {
            Ok(Refusal {
                reason: serde_json::Value::String(reason),
            }) => reason,
            Ok(_) | Err(_) => String::from_utf8_lossy(body).chars().take(300).collect(),
        };
        let object = object.to_owned();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => TopologyError::Refused {
                address: self.address.clone(),
                user: self.user.clone(),
                vhost: self.vhost.clone(),
                reason,
            },
            StatusCode::NOT_FOUND => self.no_vhost(),
            StatusCode::BAD_REQUEST if reason.contains("inequivalent") => {
                TopologyError::Differs { object, reason }
            }
            status => TopologyError::Unexpected {
                object,
                status: status.as_u16(),
                reason,
            },
        }
    }
}

/// Where the API is. Nothing where the configuration is at fault.
pub(super) fn endpoint(config: &Config) -> Option<Endpoint> {
    let place = Place::of(config, &address(config).ok()?).ok()?;
    let uri = Uri::try_from(&place.address).ok()?;
    Some(Endpoint {
        host: uri.host()?.to_owned(),
        port: uri.port_u16().unwrap_or(if place.tls { 443 } else { 80 }),
        encrypted: place.tls,
    })
}

/// Where the API is and who asks it.
struct Place {
    tls: bool,
    /// Without credentials, fit to be shown.
    address: String,
    user: String,
    password: String,
}

impl Place {
    fn of(config: &Config, broker: &AMQPUri) -> Result<Self, TopologyError> {
        let own = &broker.authority.userinfo;
        let (user, password) = (own.username.clone(), own.password.clone());
        let Some(url) = &config.management_url else {
            let (tls, scheme, port) = match broker.scheme {
                AMQPScheme::AMQP => (false, "http", 15_672),
                AMQPScheme::AMQPS => (true, "https", 15_671),
            };
            let host = &broker.authority.host;
            return Ok(Self {
                tls,
                address: format!("{scheme}://{host}:{port}"),
                user,
                password,
            });
        };
        let wrong = || {
            let text = "`broker.management_url` is not an address: expected \
                http://user:password@host:15672, or https://";
            TopologyError::Address(text.to_owned())
        };
        let url = url.reveal();
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(wrong()),
        };
        let (credentials, place) = match rest.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials), place),
            None => (None, rest),
        };
        let address = format!("{scheme}://{}", place.trim_end_matches('/'));
        if Uri::try_from(&address).is_err() {
            return Err(wrong());
        }
        let (user, password) = match credentials {
            None => (user, password),
            Some(credentials) => {
                // Percent-encoded in the same way.
                let uri: AMQPUri = format!("amqp://{credentials}@host")
                    .parse()
                    .map_err(|_| wrong())?;
                let given = uri.authority.userinfo;
                (given.username, given.password)
            }
        };
        Ok(Self {
            tls,
            address,
            user,
            password,
        })
    }
}

/// A name as one segment of a path.
pub(super) fn segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use secret::Secret;

    use super::*;

    fn place(url: &str, management: Option<&str>) -> Result<Place, TopologyError> {
        let mut config = Config::at(Secret::inline(url).unwrap());
        config.management_url = management.map(|url| Secret::inline(url).unwrap());
        Place::of(&config, &address(&config).unwrap())
    }

    #[test]
    fn the_management_api_is_found_from_the_broker_url_alone() {
        let found = place("amqp://ann:p%40ss@mq:1234/%2f", None).unwrap();
        assert_eq!(found.address, "http://mq:15672");
        assert_eq!((&*found.user, &*found.password), ("ann", "p@ss"));
        let found = place("amqps://ann:x@mq/%2f", None).unwrap();
        assert_eq!(found.address, "https://mq:15671");
    }

    #[test]
    fn own_credentials_of_the_management_api_are_used_and_not_shown() {
        let found = place("amqp://a:b@mq/v", Some("https://bob:c%2Fd@web:99/base/")).unwrap();
        assert_eq!(found.address, "https://web:99/base");
        assert_eq!((&*found.user, &*found.password), ("bob", "c/d"));
        let fault = place("amqp://a:b@mq/v", Some("ftp://bob:canary@web")).err();
        assert!(!fault.unwrap().to_string().contains("canary"));
    }

    #[test]
    fn a_virtual_host_is_one_segment() {
        assert_eq!(segment("/"), "%2F");
        assert_eq!(segment("a b.c"), "a%20b.c");
    }
}
