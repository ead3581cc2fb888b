//! One order, from the player's first click to the item in the inventory, told step by
//! step.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::{GameClient, token};
use super::http::Http;

/// The running line, and the keys to it.
pub(crate) struct Line {
    pub(crate) project: i64,
    pub(crate) ingress: SocketAddr,
    pub(crate) publisher: SocketAddr,
    pub(crate) api: SocketAddr,
    pub(crate) webhook_secret: String,
    pub(crate) login_secret: String,
    pub(crate) login_project: String,
    pub(crate) issuer: String,
    pub(crate) api_key: String,
}

/// An order to play.
pub(crate) struct Purchase {
    pub(crate) player: &'static str,
    pub(crate) order: i64,
    pub(crate) transaction: i64,
}

impl Purchase {
    /// The notice Xsolla sends once the order is paid, in combined mode.
    pub(crate) fn order_paid(&self, project: i64) -> Value {
        json!({
            "notification_type": "order_paid",
            "items": [
                {"sku": "com.example.blade_ember", "type": "virtual_good", "quantity": 1, "amount": "4.9900"},
                {"sku": "com.example.crystals", "type": "virtual_currency", "quantity": 250, "amount": "1.9900"}
            ],
            "order": {
                "id": self.order, "mode": "default", "currency_type": "real", "currency": "EUR",
                "amount": "6.9800", "status": "paid", "platform": "xsolla",
                "invoice_id": self.transaction.to_string()
            },
            "user": {"external_id": self.player, "country": "DE"},
            "billing": {
                "notification_type": "payment",
                "settings": {"project_id": project, "merchant_id": 1},
                "purchase": {"total": {"currency": "EUR", "amount": 6.98}},
                "transaction": {"id": self.transaction, "payment_method": 1380}
            }
        })
    }
}

/// Tells what happens, with the milliseconds each step took.
struct Teller<W> {
    out: W,
}

impl<W: Write> Teller<W> {
    fn step(&mut self, what: &str, took: Duration, result: &str) -> io::Result<()> {
        writeln!(
            self.out,
            "  {what:<44} {:>8.1} ms   {result}",
            took.as_secs_f64() * 1_000.0
        )
    }
}

impl Line {
    /// Plays the purchase and prints each step.
    pub(crate) async fn play(
        &self,
        purchase: &Purchase,
        now: i64,
        out: impl Write,
    ) -> anyhow::Result<()> {
        let mut teller = Teller { out };
        let http = Http::new();
        self.set_the_scene(&http, purchase, &mut teller).await?;

        let began = Instant::now();
        let token = token(self, purchase.player, now + 3_600)?;
        let mut client = GameClient::connect(self.publisher, self.project, &token).await?;
        teller.step(
            "game client connects over WebSocket",
            began.elapsed(),
            "subscribed to its own orders",
        )?;

        let validation = json!({
            "notification_type": "user_validation",
            "settings": {"project_id": self.project, "merchant_id": 1},
            "user": {"id": purchase.player}
        });
        let took = self.webhook(&http, &validation).await?;
        teller.step(
            "Xsolla asks: user_validation",
            took,
            "204, the player is known",
        )?;

        let sent = Instant::now();
        let took = self
            .webhook(&http, &purchase.order_paid(self.project))
            .await?;
        teller.step(
            "Xsolla tells: order_paid",
            took,
            "204, durable on the broker",
        )?;
        for expected in ["paid", "done"] {
            let status = client.status(purchase.order).await?;
            ensure!(
                status == expected,
                "the client was told `{status}`, expected `{expected}`"
            );
            teller.step(
                "game client hears",
                sent.elapsed(),
                &format!("{status} (since the webhook was sent)"),
            )?;
        }
        client.close().await?;
        self.show_inventory(&http, purchase, &mut teller).await
    }

    async fn set_the_scene<W: Write>(
        &self,
        http: &Http,
        purchase: &Purchase,
        teller: &mut Teller<W>,
    ) -> anyhow::Result<()> {
        let path = format!("/v1/projects/{}/players/{}", self.project, purchase.player);
        let took = self.call(http, Method::PUT, &path, Value::Null).await?.0;
        teller.step("game server registers the player", took, purchase.player)?;

        let path = format!("/v1/projects/{}/orders/{}", self.project, purchase.order);
        let took = self
            .call(http, Method::PUT, &path, json!({"player": purchase.player}))
            .await?
            .0;
        teller.step(
            "game server registers the order",
            took,
            &format!("order {}, status new", purchase.order),
        )?;
        Ok(())
    }

    async fn show_inventory<W: Write>(
        &self,
        http: &Http,
        purchase: &Purchase,
        teller: &mut Teller<W>,
    ) -> anyhow::Result<()> {
        let path = format!(
            "/v1/projects/{}/players/{}/inventory",
            self.project, purchase.player
        );
        let (took, inventory) = self.call(http, Method::GET, &path, Value::Null).await?;
        let empty = Vec::new();
        let items = inventory["items"].as_array().unwrap_or(&empty);
        ensure!(!items.is_empty(), "the inventory is empty: {inventory}");
        let held = items.iter().map(|item| {
            format!(
                "{} × {}",
                item["quantity"],
                item["sku"].as_str().unwrap_or("?")
            )
        });
        teller.step(
            "game server reads the inventory",
            took,
            &held.collect::<Vec<_>>().join(", "),
        )?;
        Ok(())
    }

    /// Sends a signed notice as Xsolla does. Fails unless the answer is 204.
    async fn webhook(&self, http: &Http, notice: &Value) -> anyhow::Result<Duration> {
        let body = notice.to_string();
        let authorization = xsolla::signature::authorization_header(
            body.as_bytes(),
            self.webhook_secret.as_bytes(),
        );
        let path = format!("/webhooks/xsolla/{}", self.project);
        let began = Instant::now();
        let answer = http
            .send(Method::POST, self.ingress, &path, &authorization, body)
            .await?;
        let took = began.elapsed();
        let kind = &notice["notification_type"];
        ensure!(
            answer.status == StatusCode::NO_CONTENT,
            "{kind} was answered {}: {}",
            answer.status,
            answer.body
        );
        Ok(took)
    }

    /// Calls the api as the game server. Fails unless the answer is a 2xx.
    async fn call(
        &self,
        http: &Http,
        method: Method,
        path: &str,
        body: Value,
    ) -> anyhow::Result<(Duration, Value)> {
        let authorization = format!("Bearer {}", self.api_key);
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let began = Instant::now();
        let answer = http
            .send(method, self.api, path, &authorization, body)
            .await?;
        let took = began.elapsed();
        ensure!(
            answer.status.is_success(),
            "{path} was answered {}: {}",
            answer.status,
            answer.body
        );
        Ok((took, answer.body))
    }
}
