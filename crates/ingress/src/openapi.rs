//! What the webhook answers, told to programs.

use httpd::Description;
use hyper::Method;
use serde_json::{Value, json};

use crate::receive::XSOLLA;

/// Adds the webhook to the document of the HTTP endpoints.
pub fn describe(told: &mut Description) {
    told.secure(
        "signature",
        json!({
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Signature`, a blank, and the SHA-1 of the body and then one of the \
                            project's secrets, in hexadecimal digits.",
        }),
    );
    told.name(
        "project",
        "Xsolla's id of the project",
        &json!({"type": "integer", "format": "int64", "minimum": 1, "maximum": i64::MAX}),
    );
    let operation = json!({
        "operationId": "webhook",
        "tags": ["ingress"],
        "summary": "Takes a notice of Xsolla's, or answers its question about a player",
        "description": "Xsolla takes most 4xx as final and may give the money back, so whatever \
                        a repeat can mend is answered 503.",
        "security": [{"signature": []}],
        "requestBody": {"required": true, "content": {"application/json": {"schema": {
            "type": "object",
            "properties": {"notification_type": {"type": "string"}},
        }}}},
        "responses": {
            "200": {
                "description": "What was asked for: a player, a catalogue or a pin code.",
                "content": {"application/json": {"schema": true}},
            },
            "204": {"description": "The notice is queued, durably; or the player exists."},
            "400": refusal("The signature does not fit the body, or there is no such player."),
            "404": refusal("There is no such player."),
            "503": refusal("Not now; the same request may be sent again."),
        },
    });
    told.add(&Method::POST, &format!("{XSOLLA}{{project}}"), operation);
}

/// In the shape of [`xsolla::answer::error_body`].
fn refusal(about: &str) -> Value {
    let text = json!({"type": "string"});
    let schema = json!({
        "type": "object",
        "required": ["error"],
        "properties": {"error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": text, "message": text},
        }},
    });
    json!({"description": about, "content": {xsolla::answer::CONTENT_TYPE: {"schema": schema}}})
}
