//! The answer of the order-status endpoint, in the shape of Xsolla's own.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use httpd::{Reply, bytes, empty, json};
use hyper::header::{
    ALLOW, CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use hyper::{HeaderMap, StatusCode};
use ledger::OrderStatus;
use order::{Content, ContentItem, Money};
use schemars::JsonSchema;
use serde::Serialize;

/// How an order stands.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OrderStatus")]
pub(crate) struct Body<'a> {
    order_id: i64,
    #[schemars(extend("enum" = ["new", "paid", "done", "canceled"]))]
    status: &'static str,
    content: ContentBody<'a>,
}

#[derive(Default, Serialize, JsonSchema)]
#[schemars(rename = "OrderContent")]
struct ContentBody<'a> {
    price: Option<Price<'a>>,
    virtual_price: Option<Price<'a>>,
    is_free: bool,
    items: Vec<Item<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OrderItem")]
struct Item<'a> {
    sku: &'a str,
    quantity: i64,
    is_free: bool,
    price: Option<Price<'a>>,
}

/// Notices tell what was paid and not what it would have cost, so both amounts are equal.
/// Both are there, because clients read both.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OrderPrice")]
struct Price<'a> {
    amount: String,
    amount_without_discount: String,
    currency: &'a str,
}

/// Why there is no order to show.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "OrderRefusal")]
pub(crate) struct ErrorBody {
    status_code: u16,
    error_code: u16,
    error_message: String,
}

/// Why a request gets no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The token is missing or no good.
    Unauthorized,
    /// There is no such order of this player. Another's order looks the same.
    NotFound,
    /// There is nothing at this address.
    NoRoute,
    /// Only reading is answered.
    Method,
    /// The ledger cannot be asked.
    Unavailable,
}

impl Refusal {
    /// The code of the HTTP answer.
    const fn status(self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotFound | Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Xsolla's number where one is known, else the status.
    const fn code(self) -> u16 {
        match self {
            Self::Unauthorized => 1020,
            Self::NotFound | Self::NoRoute => 404,
            Self::Method => 405,
            Self::Unavailable => 503,
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::Unauthorized => "Error in Authentication method occurred",
            Self::NotFound => "Order not found",
            Self::NoRoute => "Nothing at this address",
            Self::Method => "Method not allowed",
            Self::Unavailable => "Temporarily unavailable",
        }
    }

    pub(crate) fn reply(self) -> Reply {
        let (status, code) = (self.status(), self.code());
        let mut reply = json(
            status,
            &ErrorBody {
                status_code: status.as_u16(),
                error_code: code,
                error_message: format!("[{:04}-{code:04}]: {}", status.as_u16(), self.message()),
            },
        );
        let headers = reply.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::Unauthorized => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // As often as Xsolla's page lets clients poll.
            Self::Unavailable => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("3"));
            }
            Self::Method => {
                headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
            }
            Self::NotFound | Self::NoRoute => {}
        }
        reply
    }
}

/// 200 with the order, or 304 if the client has it already.
pub(crate) fn reply(found: &OrderStatus, asked: &HeaderMap) -> Reply {
    let body = Body {
        order_id: found.order.get(),
        status: found.status.as_str(),
        content: found.content.as_ref().map(content).unwrap_or_default(),
    };
    let Ok(body) = serde_json::to_vec(&body) else {
        return Refusal::Unavailable.reply();
    };
    let tag = tag(&body);
    let mut reply = if has(asked, &tag) {
        empty(StatusCode::NOT_MODIFIED)
    } else {
        bytes(StatusCode::OK, "application/json", body)
    };
    let headers = reply.headers_mut();
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(ETAG, tag);
    }
    // Kept by the player's own browser alone, which asks again before every use.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(VARY, HeaderValue::from_static("Authorization"));
    reply
}

fn content(content: &Content) -> ContentBody<'_> {
    let total = content.price.as_ref();
    let total = total.map(|money| price(money, content.is_virtual));
    let (real, virtual_price) = if content.is_virtual {
        (None, total)
    } else {
        (total, None)
    };
    let items = content.items.iter();
    ContentBody {
        price: real,
        virtual_price,
        is_free: content.is_free,
        items: items.map(|line| item(line, content.is_virtual)).collect(),
    }
}

fn item(line: &ContentItem, is_virtual: bool) -> Item<'_> {
    let money = line.price.as_ref();
    Item {
        sku: line.sku.as_str(),
        quantity: line.quantity,
        is_free: line.is_free,
        price: money.map(|money| price(money, is_virtual)),
    }
}

/// Virtual currency is counted in whole units, and Android's SDK reads nothing else.
fn price(money: &Money, is_virtual: bool) -> Price<'_> {
    let amount = money.amount.to_string();
    let amount = match amount.strip_suffix(".00") {
        Some(whole) if is_virtual => whole.to_owned(),
        Some(_) | None => amount,
    };
    Price {
        amount_without_discount: amount.clone(),
        amount,
        currency: &money.currency,
    }
}

/// Weak: it stands for what the answer says, and may differ between builds.
fn tag(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

/// Whether the client names the tag, by the weak comparison of RFC 9110 §8.8.3.2.
fn has(asked: &HeaderMap, tag: &str) -> bool {
    asked
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|named| named == "*" || opaque(named) == opaque(tag))
}

fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use order::Status;

    use super::*;

    fn money(amount: &str, currency: &str) -> Money {
        Money {
            amount: amount.parse().unwrap(),
            currency: currency.into(),
        }
    }

    fn content_of(price: Money, is_virtual: bool) -> Content {
        Content {
            price: Some(price.clone()),
            is_virtual,
            is_free: false,
            items: vec![ContentItem {
                sku: "sword".parse().unwrap(),
                quantity: 3,
                is_free: false,
                price: Some(price),
            }],
        }
    }

    fn shown(content: Option<&Content>) -> serde_json::Value {
        let content = content.map(super::content).unwrap_or_default();
        serde_json::to_value(content).unwrap()
    }

    #[test]
    fn an_order_is_shown_in_the_shape_of_xsollas_own_endpoint() {
        let expected = serde_json::json!({
            "price": {"amount": "8.97", "amount_without_discount": "8.97", "currency": "EUR"},
            "virtual_price": null,
            "is_free": false,
            "items": [{
                "sku": "sword", "quantity": 3, "is_free": false,
                "price": {"amount": "8.97", "amount_without_discount": "8.97", "currency": "EUR"},
            }],
        });
        assert_eq!(
            shown(Some(&content_of(money("8.97", "EUR"), false))),
            expected
        );
    }

    #[test]
    fn virtual_currency_is_whole_and_has_a_field_of_its_own() {
        let shown = shown(Some(&content_of(money("200", "gems"), true)));
        assert!(shown["price"].is_null());
        assert_eq!(shown["virtual_price"]["amount"], "200");
    }

    #[test]
    fn an_order_without_known_content_has_every_field() {
        let expected = serde_json::json!({
            "price": null, "virtual_price": null, "is_free": false, "items": [],
        });
        assert_eq!(shown(None), expected);
    }

    #[test]
    fn a_client_that_has_the_answer_is_not_sent_it_again() {
        let order = |status| OrderStatus {
            order: "7".parse().unwrap(),
            status,
            content: None,
        };
        let first = reply(&order(Status::Paid), &HeaderMap::new());
        let tag = first.headers()[ETAG].to_str().unwrap();
        for asked in [tag, &tag[2..], "*", &format!("\"x\", {tag}")] {
            let asked = HeaderValue::try_from(asked).unwrap();
            let asked = HeaderMap::from_iter([(IF_NONE_MATCH, asked)]);
            assert_eq!(reply(&order(Status::Paid), &asked).status(), 304);
            let expected = if asked[IF_NONE_MATCH] == "*" {
                304
            } else {
                200
            };
            assert_eq!(reply(&order(Status::Done), &asked).status(), expected);
        }
    }

    #[test]
    fn refusals_look_like_xsollas() {
        use http_body_util::BodyExt as _;

        let reply = Refusal::Unauthorized.reply();
        assert_eq!(reply.status(), 401);
        let body = reply.into_body().collect();
        let body = futures_util::FutureExt::now_or_never(body).unwrap();
        let text = String::from_utf8(body.unwrap().to_bytes().to_vec()).unwrap();
        assert_eq!(
            text,
            r#"{"statusCode":401,"errorCode":1020,"errorMessage":"[0401-1020]: Error in Authentication method occurred"}"#
        );
    }
}
