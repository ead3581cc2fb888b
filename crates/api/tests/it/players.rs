//! Registering players, and what they ordered and hold.

use serde_json::json;

use crate::bench::{Bench, PROJECT, id, paid};

#[tokio::test]
async fn a_player_is_registered_once_whatever_their_name_is_made_of() {
    let bench = Bench::new().await;
    let path = "/v1/projects/44056/players/%D0%B8%D0%B3%D1%80%D0%BE%D0%BA%2F1%20%2B%25";
    let first = bench.put("game", path, "").await;
    assert_eq!(
        (first.status.as_u16(), first.json),
        (201, json!({"player": "игрок/1 +%"}))
    );
    assert_eq!(bench.put("game", path, "").await.status.as_u16(), 200);
    let player = "игрок/1 +%".parse().unwrap();
    let known = bench.ledger.is_registered(id(PROJECT), &player).await;
    assert!(known.unwrap());
}

#[tokio::test]
async fn a_players_orders_come_page_by_page() {
    let bench = Bench::new().await;
    for order in 1..=4 {
        bench.book(paid(order, "mira", 900 + order)).await;
    }
    bench.book(paid(9, "oleg", 999)).await;
    let page = async |query: &str| {
        let path = format!("/v1/projects/44056/players/mira/orders{query}");
        let answer = bench.get("game", &path).await;
        let orders = answer.json["orders"].as_array().unwrap();
        let orders: Vec<i64> = orders
            .iter()
            .map(|order| order["order"].as_i64().unwrap())
            .collect();
        (orders, answer.json["next_before"].as_i64())
    };
    // The configuration allows three rows.
    assert_eq!(page("").await, (vec![4, 3, 2], Some(2)));
    assert_eq!(page("?limit=500").await, (vec![4, 3, 2], Some(2)));
    assert_eq!(page("?before=2").await, (vec![1], None));
    assert_eq!(page("?before=4&limit=1").await, (vec![3], Some(3)));
    let path = "/v1/projects/44056/players/nobody/orders";
    let nobody = bench.get("game", path).await;
    assert_eq!(nobody.json, json!({"orders": [], "next_before": null}));
}

#[tokio::test]
async fn an_inventory_is_what_was_granted() {
    let bench = Bench::new().await;
    bench.book(paid(7, "mira", 900)).await;
    let answer = bench
        .get("game", "/v1/projects/44056/players/mira/inventory")
        .await;
    assert_eq!(
        answer.json,
        json!({"player": "mira", "items": [{"sku": "sword", "quantity": 2}]})
    );
}
