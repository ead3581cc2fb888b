//! Players: registering them, and what they ordered and hold.

use httpd::Reply;
use hyper::StatusCode;
use order::{PlayerId, ProjectId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::fault::Fault;
use crate::query::Query;
use crate::serve::{Api, reply};
use crate::show::{Line, Notice, Order};

/// What may stand in the query where pages are read.
pub(crate) const PAGE: [&str; 2] = ["before", "limit"];
/// What may stand in the query where there is one page.
pub(crate) const NEWEST: [&str; 1] = ["limit"];

#[derive(Serialize, JsonSchema)]
pub(crate) struct Player<'a> {
    player: &'a str,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Orders<'a> {
    orders: Vec<Order<'a>>,
    /// The `before` of the next page; absent on the last one.
    next_before: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Inventory<'a> {
    player: &'a str,
    items: Vec<Line<'a>>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Notices<'a> {
    notices: Vec<Notice<'a>>,
}

impl Api {
    pub(crate) async fn register_player(
        &self,
        project: ProjectId,
        player: &PlayerId,
    ) -> Result<Reply, Fault> {
        let is_new = self
            .ledger
            .register_player(project, player, task::now())
            .await?;
        let status = if is_new {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        let player = player.as_str();
        Ok(reply(status, &Player { player }))
    }

    pub(crate) async fn orders_of(
        &self,
        project: ProjectId,
        player: &PlayerId,
        query: Option<&str>,
    ) -> Result<Reply, Fault> {
        let query = Query::read(query, &PAGE)?;
        let limit = query.limit(self.max_page_rows)?;
        let before = query.get("before")?;
        let views = self
            .ledger
            .orders_of(project, player, before, limit)
            .await?;
        let is_full = views.len() >= limit as usize;
        let page = Orders {
            orders: views.iter().map(Order::from).collect(),
            next_before: views
                .last()
                .filter(|_| is_full)
                .map(|view| view.order.get()),
        };
        Ok(reply(StatusCode::OK, &page))
    }

    pub(crate) async fn notices_of(
        &self,
        project: ProjectId,
        player: &PlayerId,
        query: Option<&str>,
    ) -> Result<Reply, Fault> {
        let limit = Query::read(query, &NEWEST)?.limit(self.max_page_rows)?;
        let views = self.ledger.notices_of(project, player, limit).await?;
        let notices = Notices {
            notices: views.iter().map(Notice::from).collect(),
        };
        Ok(reply(StatusCode::OK, &notices))
    }

    pub(crate) async fn inventory(
        &self,
        project: ProjectId,
        player: &PlayerId,
    ) -> Result<Reply, Fault> {
        let held = self.ledger.inventory(project, player).await?;
        let inventory = Inventory {
            player: player.as_str(),
            items: held.iter().map(Line::from).collect(),
        };
        Ok(reply(StatusCode::OK, &inventory))
    }
}
