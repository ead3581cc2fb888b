//! Parked entries: finding them, reading them, sending them through the line again.

use httpd::Reply;
use hyper::StatusCode;
use ledger::{ParkedBody, ParkedFilter, ParkedView};
use order::{Kind, ProjectId};
use schemars::JsonSchema;
use serde::Serialize;
use task::{ParkedId, Task, TraceContext};
use time::OffsetDateTime;
use xsolla::Glance;

use crate::fault::Fault;
use crate::keyring::Caller;
use crate::query::Query;
use crate::serve::{Api, reply};
use crate::show::{Instant, Parked, ParkedDetail};

/// What may stand in the query of the list.
pub(crate) const FILTERS: [&str; 7] = [
    "project",
    "order",
    "transaction",
    "player",
    "settled",
    "after",
    "limit",
];

/// Some parked entries of a list.
#[derive(Serialize, JsonSchema)]
pub struct ParkedPage<'a> {
    parked: Vec<Parked<'a>>,
    /// The `after` of the next page; absent on the last one.
    next_after: Option<i64>,
}

impl<'a> ParkedPage<'a> {
    /// What was found where at most `limit` entries were asked for.
    #[must_use]
    pub fn new(views: &'a [ParkedView], limit: u32) -> Self {
        let is_full = views.len() >= limit as usize;
        Self {
            parked: views.iter().map(Parked::from).collect(),
            next_after: views.last().filter(|_| is_full).map(|view| view.id.0),
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Replayed {
    id: i64,
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Instant")]
    replayed_at: OffsetDateTime,
}

impl Api {
    pub(crate) async fn parked_list(
        &self,
        caller: &Caller,
        query: Option<&str>,
    ) -> Result<Reply, Fault> {
        let query = Query::read(query, &FILTERS)?;
        let limit = query.limit(self.max_page_rows)?;
        let filter = ParkedFilter {
            project: project_of(caller, query.get("project")?)?,
            order: query.get("order")?,
            transaction: query.get("transaction")?,
            player: query.get("player")?,
            settled: query.get("settled")?.unwrap_or(false),
            newest_first: false,
            after: query.get("after")?,
            limit,
        };
        let views = self.ledger.parked(&filter).await?;
        Ok(reply(StatusCode::OK, &ParkedPage::new(&views, limit)))
    }

    pub(crate) async fn parked(
        &self,
        caller: &Caller,
        id: ParkedId,
        with_body: bool,
    ) -> Result<Reply, Fault> {
        let stored = self.stored(caller, id).await?;
        let detail = ParkedDetail::new(&stored, with_body);
        Ok(reply(StatusCode::OK, &detail))
    }

    /// Puts the stored bytes on the queue that this version reads in them. 202: what becomes of them
    /// is seen on the entry.
    pub(crate) async fn replay(&self, caller: &Caller, id: ParkedId) -> Result<Reply, Fault> {
        let stored = self.stored(caller, id).await?;
        if stored.view.settled_at.is_some() {
            return Err(Fault::Settled(id));
        }
        let project = stored.view.project.ok_or(Fault::NotReplayable(id))?;
        self.broker.publish(&task_of(stored, project)).await?;
        // As exact as the ledger keeps it, so that both say the same.
        let replayed_at = task::now().truncate_to_microsecond();
        // The task is on its queue: a note that cannot be made does not change that.
        if let Err(error) = self.ledger.parked_was_replayed(id, replayed_at).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, parked.id = id.0, "A replay could not be noted");
        }
        let replayed = Replayed {
            id: id.0,
            replayed_at,
        };
        Ok(reply(StatusCode::ACCEPTED, &replayed))
    }

    /// An entry the caller may see; another's is as unknown as one that does not exist.
    async fn stored(&self, caller: &Caller, id: ParkedId) -> Result<ParkedBody, Fault> {
        let stored = self.ledger.parked_body(id).await?;
        stored
            .filter(|stored| caller.may_see(stored.view.project))
            .ok_or_else(|| Fault::NotFound(format!("parked entry {id}")))
    }
}

/// The project to search: the one asked for, or the one the caller is restricted to.
fn project_of(caller: &Caller, asked: Option<ProjectId>) -> Result<Option<ProjectId>, Fault> {
    let mut own = caller.restricted_to().iter();
    match (asked, own.next(), own.next()) {
        (Some(project), ..) => caller.must_see(project).map(|()| Some(project)),
        (None, only, None) => Ok(only.copied()),
        (None, _, Some(_)) => Err(Fault::Input(
            "say which project: `project=ID` in the query".into(),
        )),
    }
}

/// What is stored beside the body is what an earlier version read of it, so it counts only
/// where this one reads nothing.
fn task_of(stored: ParkedBody, project: ProjectId) -> Task {
    let view = stored.view;
    let glance = Glance::of(&stored.body);
    let kind = if glance.kind == Kind::Unreadable {
        view.kind
    } else {
        glance.kind
    };
    Task {
        project,
        kind,
        message: stored.message,
        order: glance.order.or(view.order),
        transaction: glance.transaction.or(view.transaction),
        player: glance.player.or(view.player),
        received_at: view.received_at,
        attempt: 0,
        replay: Some(view.id),
        trace: telemetry::current().map(|context| TraceContext {
            parent: context.traceparent,
            state: context.tracestate,
        }),
        body: stored.body,
    }
}
