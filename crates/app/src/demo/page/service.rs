//! Answering the page's requests.

use std::net::SocketAddr;

use httpd::{Limits, Reply, Request, Service, bytes, empty, json};
use hyper::StatusCode;
use hyper::header::{HeaderValue, LOCATION};
use order::OrderId;
use rehearsal::Purchase;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::gate::Gate;
use super::line::{Behind, unix_ms};
use super::refusal::Refusal;
use super::route::Route;
use super::shop::{OFFERS, Sale, name_of};
use crate::demo::{PLAYER, PROJECT};

/// How long a player's token is good. The publisher closes the connection after that, and
/// the script comes back with a new one.
const TOKEN_SECONDS: i64 = 10 * 60;

/// The page.
pub(crate) struct Page {
    pub(crate) gate: Gate,
    pub(crate) behind: Behind,
    /// Where the script connects.
    pub(crate) publisher: SocketAddr,
    pub(crate) limits: Limits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Click {
    offer: String,
}

impl Service for Page {
    async fn answer(&self, request: Request, _peer: SocketAddr) -> Reply {
        let mut reply = match self.serve(request).await {
            Ok(reply) => reply,
            Err(refusal) => {
                if let Refusal::Line(error) = &refusal {
                    tracing::warn!(
                        error = format_args!("{error:#}"),
                        "The demo's page was not served"
                    );
                }
                refusal.reply()
            }
        };
        self.gate.seal(&mut reply);
        reply
    }
}

impl Page {
    /// Nothing is looked at before it is clear who asks.
    async fn serve(&self, request: Request) -> Result<Reply, Refusal> {
        let route = Route::of(request.uri().path());
        let is_page = route.as_ref().is_ok_and(|route| route.is_page());
        self.gate
            .admit(request.method(), request.headers(), is_page)?;
        let route = route?;
        route.takes(request.method())?;
        match route {
            Route::Home => {
                let mut reply = empty(StatusCode::FOUND);
                let page = HeaderValue::from_static("/demo");
                reply.headers_mut().insert(LOCATION, page);
                Ok(reply)
            }
            Route::File(file) => Ok(bytes(StatusCode::OK, file.content_type, file.text)),
            Route::Session => self.session().await,
            Route::Inventory => self.inventory().await,
            Route::Buy => {
                let body = httpd::read_body(request.into_body(), &self.limits).await?;
                let click: Click = serde_json::from_slice(&body)?;
                self.buy(&click.offer).await
            }
            Route::Order(order) => self.order(order).await,
            Route::Cancel(order) => self.cancel(order).await,
        }
    }

    async fn session(&self) -> Result<Reply, Refusal> {
        // Known to the game from now on, as after a first log-in.
        self.behind
            .register(&format!("players/{PLAYER}"), Value::Null)
            .await
            .map_err(Refusal::Line)?;
        let expires_at = task::now().unix_timestamp() + TOKEN_SECONDS;
        let token = self.behind.token(expires_at).map_err(Refusal::Line)?;
        let session = json!({
            "ws": format!("ws://{}/connection/websocket", self.publisher),
            "project": PROJECT, "player": PLAYER, "token": token, "offers": OFFERS
        });
        Ok(json(StatusCode::OK, &session))
    }

    async fn inventory(&self) -> Result<Reply, Refusal> {
        let what = format!("players/{PLAYER}/inventory");
        let held = self.behind.read(&what).await.map_err(Refusal::Line)?;
        let items = held.map(|held| named(&held["items"])).unwrap_or_default();
        Ok(json(StatusCode::OK, &json!({"items": items})))
    }

    /// Does what the game server does when a player orders, and then what Xsolla does when
    /// the player has paid.
    async fn buy(&self, offer: &str) -> Result<Reply, Refusal> {
        let offer = OFFERS.iter().find(|known| known.id == offer);
        let offer = offer.ok_or(Refusal::NoOffer)?;
        let purchase = Purchase::draw(PROJECT, PLAYER);
        let order = purchase.order;
        let sale = Sale {
            project: PROJECT,
            player: PLAYER,
            order,
            transaction: offer.is_paid().then_some(purchase.transaction),
        };
        let registration = json!({"player": sale.player});
        let registered = self
            .behind
            .register(&format!("orders/{order}"), registration)
            .await
            .map_err(Refusal::Line)?;
        let notice = sale.order_paid(offer);
        let notice = self.behind.notify(&notice).await.map_err(Refusal::Line)?;
        let bought = json!({"order": order, "registered": registered, "notice": notice});
        Ok(json(StatusCode::CREATED, &bought))
    }

    async fn cancel(&self, order: OrderId) -> Result<Reply, Refusal> {
        let known = self.own_order(order).await?;
        let sale = Sale {
            project: PROJECT,
            player: PLAYER,
            order: order.get(),
            transaction: known["transaction"].as_i64(),
        };
        let notice = sale.order_canceled(&known["content"]);
        let notice = self.behind.notify(&notice).await.map_err(Refusal::Line)?;
        Ok(json(
            StatusCode::OK,
            &json!({"order": order.get(), "notice": notice}),
        ))
    }

    async fn order(&self, order: OrderId) -> Result<Reply, Refusal> {
        let known = self.own_order(order).await?;
        let notices = known["notices"].as_array();
        let notices: Vec<Value> = notices
            .map(|notices| notices.iter().map(|notice| ended(notice, &known)).collect())
            .unwrap_or_default();
        let shown = json!({
            "order": order.get(), "status": known["status"],
            "items": named(&known["content"]["items"]), "notices": notices
        });
        Ok(json(StatusCode::OK, &shown))
    }

    /// The order, if it is the player's.
    async fn own_order(&self, order: OrderId) -> Result<Value, Refusal> {
        let known = self.behind.read(&format!("orders/{order}")).await;
        let known = known.map_err(Refusal::Line)?.ok_or(Refusal::NoOrder)?;
        if known["player"] != PLAYER {
            return Err(Refusal::NoOrder);
        }
        Ok(known)
    }
}

/// How a notice ended, and when the worker began to book it.
fn ended(notice: &Value, order: &Value) -> Value {
    let bookings = order["bookings"].as_array();
    let booking = bookings.and_then(|bookings| {
        let of_notice = |booking: &&Value| booking["kind"] == notice["kind"];
        bookings.iter().find(of_notice)
    });
    let booked_at = booking.and_then(|booking| instant(&booking["booked_at"]));
    json!({
        "kind": notice["kind"], "outcome": notice["outcome"], "reason": notice["reason"],
        "booked_at": booked_at.map(unix_ms)
    })
}

fn instant(text: &Value) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text.as_str()?, &Rfc3339).ok()
}

/// Lines of an order or an inventory, with names for a person.
fn named(items: &Value) -> Vec<Value> {
    let line = |item: &Value| {
        let sku = item["sku"].as_str().unwrap_or_default();
        json!({"sku": sku, "name": name_of(sku), "quantity": item["quantity"]})
    };
    let items = items.as_array();
    items
        .map(|items| items.iter().map(line).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_goes_with_its_own_booking() {
        let order = json!({"bookings": [
            {"kind": "order_canceled", "booked_at": "1970-01-01T00:00:09Z"},
            {"kind": "order_paid", "booked_at": "1970-01-01T00:00:01.0125Z"},
        ]});
        let at = |kind: &str| ended(&json!({"kind": kind}), &order)["booked_at"].clone();
        assert_eq!(at("order_paid"), 1_012.5);
        assert_eq!(at("order_canceled"), 9_000.0);
        assert_eq!(at("refund"), Value::Null);
    }
}
