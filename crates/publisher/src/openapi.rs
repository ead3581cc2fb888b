//! What the order-status endpoint answers, told to programs.
//!
//! The WebSocket beside it speaks the Centrifuge protocol, which OpenAPI cannot describe.

use httpd::Description;
use hyper::Method;
use serde_json::json;

use crate::order_status::{Body, ErrorBody};

const PATH: &str = "/api/v2/project/{project_id}/order/{order_id}";

/// Adds the order-status endpoint to the document of the HTTP endpoints.
pub fn describe(told: &mut Description) {
    told.secure(
        "player",
        json!({
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The player's token of Xsolla Login.",
        }),
    );
    let number = json!({"type": "integer", "format": "int64", "minimum": 1, "maximum": i64::MAX});
    told.name("project_id", "Xsolla's id of the project", &number);
    told.name("order_id", "Xsolla's id of the order", &number);
    let operation = json!({
        "operationId": "orderStatus",
        "tags": ["publisher"],
        "summary": "The status of the player's own order, as Xsolla's endpoint tells it",
        "security": [{"player": []}],
        "responses": {
            "200": told.answer::<Body>("How it stands."),
            "304": {"description": "As the client has it: it sent its `ETag` along."},
            "401": told.answer::<ErrorBody>("The token is missing or no good."),
            "404": told.answer::<ErrorBody>("The player has no such order."),
            "503": told.answer::<ErrorBody>("Not now; ask again in 3 seconds."),
        },
    });
    told.add(&Method::GET, PATH, operation);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::order_path;

    #[test]
    fn the_path_described_is_the_one_that_is_answered() {
        let path = PATH.replace("{project_id}", "1").replace("{order_id}", "7");
        assert_eq!(order_path(&path), Some(("1", "7")));
    }
}
