//! What the api answers, told to programs.

use httpd::{Description, Reply};
use hyper::{Method, StatusCode};
use order::PlayerId;
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use crate::fault::{Fault, Refusal};
use crate::orders::{Registered, Registration};
use crate::parked::{self, ParkedPage, Replayed};
use crate::players::{self, Inventory, Notices, Orders, Player};
use crate::projects::About;
use crate::route::{ENDPOINTS, Endpoint};
use crate::serve::Api;
use crate::show::{OrderDetail, ParkedDetail, Transaction};

/// Where the document is. It tells nothing of what is stored, so it takes no key.
pub(crate) const PATH: &str = "/v1/openapi.json";

/// Adds the paths of the api to the document of the HTTP endpoints.
pub fn describe(told: &mut Description) {
    told.secure(
        "key",
        json!({
            "type": "http",
            "scheme": "bearer",
            "description": "The secret of one of `api.keys`.",
        }),
    );
    told.name("project", "Xsolla's id of the project", &number());
    told.name("player", "The player, as Xsolla's `user.id`", &player());
    told.name("order", "Xsolla's id of the order", &number());
    told.name("transaction", "Xsolla's id of the payment", &number());
    told.name("id", "The id of the parked entry", &number());
    for endpoint in &ENDPOINTS {
        let mut operation = (endpoint.describe)(told);
        operation["tags"] = json!(["api"]);
        operation["security"] = json!([{"key": []}]);
        operation["description"] = right(endpoint).into();
        told.add(&endpoint.method, endpoint.template, operation);
    }
    let document = json!({
        "description": "OpenAPI 3.1.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    });
    let operation = json!({
        "operationId": "describe",
        "tags": ["api"],
        "summary": "This document",
        "responses": {"200": document},
    });
    told.add(&Method::GET, PATH, operation);
}

fn right(endpoint: &Endpoint) -> String {
    format!("Needs a key with the right `{}`.", endpoint.right.as_str())
}

impl Api {
    /// The document, as it was put together at the start.
    pub(crate) fn document(&self, method: &Method) -> Result<Reply, Fault> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let allowed = "GET, HEAD".to_owned();
            return Err(Fault::WrongMethod { allowed });
        }
        let document = self.openapi.clone();
        Ok(httpd::bytes(StatusCode::OK, "application/json", document))
    }
}

pub(crate) fn about(told: &mut Description) -> Value {
    let mut answers = refusals(told, &[404]);
    insert::<About>(told, &mut answers, 200, "The project is configured.");
    json!({
        "operationId": "project",
        "summary": "Whether a sale may be rehearsed, and how much is queued",
        "responses": answers,
    })
}

pub(crate) fn register_player(told: &mut Description) -> Value {
    let mut answers = refusals(told, &[404]);
    insert::<Player>(told, &mut answers, 201, "The player is new.");
    insert::<Player>(told, &mut answers, 200, "The player was known.");
    json!({
        "operationId": "registerPlayer",
        "summary": "Registers a player; repeats are harmless",
        "responses": answers,
    })
}

pub(crate) fn orders_of(told: &mut Description) -> Value {
    let mut answers = refusals(told, &[404]);
    insert::<Orders>(told, &mut answers, 200, "A page of them.");
    json!({
        "operationId": "ordersOf",
        "summary": "The player's orders, newest first",
        "parameters": parameters(&players::PAGE),
        "responses": answers,
    })
}

pub(crate) fn notices_of(told: &mut Description) -> Value {
    let mut answers = refusals(told, &[404]);
    insert::<Notices>(told, &mut answers, 200, "The newest of them.");
    json!({
        "operationId": "noticesOf",
        "summary": "Every notice that names the player",
        "parameters": parameters(&players::NEWEST),
        "responses": answers,
    })
}

pub(crate) fn inventory(told: &mut Description) -> Value {
    let mut answers = refusals(told, &[404]);
    insert::<Inventory>(told, &mut answers, 200, "All of it.");
    json!({
        "operationId": "inventory",
        "summary": "What the player holds",
        "responses": answers,
    })
}

pub(crate) fn register_order(told: &mut Description) -> Value {
    let mut answers = refusals(told, &[404, 408, 409, 413]);
    insert::<Registered>(told, &mut answers, 201, "The order is new.");
    insert::<Registered>(told, &mut answers, 200, "The order was known.");
    json!({
        "operationId": "registerOrder",
        "summary": "Registers a created order; its client hears `new`",
        "requestBody": told.body::<Registration>(),
        "responses": answers,
    })
}

pub(crate) fn order(told: &mut Description) -> Value {
    let mut answers = refusals(told, &[404]);
    insert::<OrderDetail>(told, &mut answers, 200, "All that is known of it.");
    json!({
        "operationId": "order",
        "summary": "An order with its bookings, notices and conflicts",
        "responses": answers,
    })
}

pub(crate) fn transaction(told: &mut Description) -> Value {
    let mut answers = refusals(told, &[404]);
    insert::<Transaction>(told, &mut answers, 200, "All that is known of it.");
    json!({
        "operationId": "transaction",
        "summary": "A payment, its order and its notices",
        "responses": answers,
    })
}

pub(crate) fn parked_list(told: &mut Description) -> Value {
    let mut answers = refusals(told, &[]);
    insert::<ParkedPage>(told, &mut answers, 200, "A page of it, oldest first.");
    json!({
        "operationId": "parkedList",
        "summary": "What waits for a person",
        "parameters": parameters(&parked::FILTERS),
        "responses": answers,
    })
}

pub(crate) fn parked(told: &mut Description) -> Value {
    let mut answers = refusals(told, &[404]);
    insert::<ParkedDetail>(
        told,
        &mut answers,
        200,
        "With its body, for keys with `bodies`.",
    );
    json!({
        "operationId": "parked",
        "summary": "One parked entry",
        "responses": answers,
    })
}

pub(crate) fn replay(told: &mut Description) -> Value {
    let mut answers = refusals(told, &[404, 409]);
    insert::<Replayed>(told, &mut answers, 202, "It is on its queue, durably.");
    json!({
        "operationId": "replay",
        "summary": "Puts a parked entry back on its queue",
        "responses": answers,
    })
}

fn insert<T: JsonSchema>(
    told: &mut Description,
    answers: &mut Map<String, Value>,
    status: u16,
    about: &str,
) {
    answers.insert(status.to_string(), told.answer::<T>(about));
}

/// The answers with these statuses, and those that everything may be answered with.
fn refusals(told: &mut Description, statuses: &[u16]) -> Map<String, Value> {
    let mut answers = Map::new();
    for status in [400, 401, 403, 422, 500, 503].iter().chain(statuses) {
        let about = match status {
            400 => "Something sent is not as described.",
            401 => "There is no key, or it is none of `api.keys`.",
            403 => "The key lacks the right, or may not see the project.",
            404 => "It is not known, or the project is not configured.",
            408 => "The body came too slowly.",
            409 => "What is known already forbids it.",
            413 => "The body is too large.",
            422 => "The database does not take it.",
            503 => "The database or the broker is away; send it again.",
            _ => "A fault of Grantline itself.",
        };
        insert::<Refusal>(told, &mut answers, *status, about);
    }
    answers
}

fn parameters(names: &[&str]) -> Vec<Value> {
    let parameter = |name: &&str| {
        let (about, schema) = parameter(name);
        json!({"name": name, "in": "query", "description": about, "schema": schema})
    };
    names.iter().map(parameter).collect()
}

fn parameter(name: &str) -> (&'static str, Value) {
    match name {
        "project" => ("Only of this project", number()),
        "order" => ("Only of this order", number()),
        "transaction" => ("Only of this payment", number()),
        "player" => ("Only of this player", player()),
        "settled" => (
            "Those that are settled, in place of those that are not",
            json!({"type": "boolean", "default": false}),
        ),
        "after" => ("`next_after` of the page before", any_number()),
        "before" => ("`next_before` of the page before", number()),
        "limit" => (
            "The most rows; never more than `api.max_page_rows`",
            json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}),
        ),
        _ => ("", Value::Bool(true)),
    }
}

fn number() -> Value {
    json!({"type": "integer", "format": "int64", "minimum": 1, "maximum": i64::MAX})
}

fn any_number() -> Value {
    json!({"type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX})
}

fn player() -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": PlayerId::MAX_BYTES,
        "pattern": PRINTABLE,
        "description": "Its length is in bytes.",
    })
}

/// No control character of Unicode.
pub(crate) const PRINTABLE: &str = r"^[^\u0000-\u001F\u007F-\u009F]+$";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_of_a_query_is_explained() {
        for name in [&players::PAGE[..], &players::NEWEST, &parked::FILTERS].concat() {
            assert!(!parameter(name).0.is_empty(), "{name}");
        }
    }
}
