//! What is to be known of a project itself.

use std::time::Duration;

use httpd::Reply;
use hyper::StatusCode;
use order::ProjectId;
use schemars::JsonSchema;
use serde::Serialize;

use crate::fault::Fault;
use crate::serve::{Api, reply};

/// How long the broker may take to say how full its queues are.
const DEPTHS_LIMIT: Duration = Duration::from_secs(1);

/// What the role is told of a project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Project {
    /// Nobody really buys in it: `grantline rehearse` may play a sale.
    pub rehearsal: bool,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct About {
    project: i64,
    /// Whether a sale may be rehearsed in it.
    rehearsal: bool,
    /// Tasks that wait on the queues of the whole instance; absent while the broker does not
    /// say.
    backlog: Option<u64>,
}

impl Api {
    /// Answered without the broker as well: whether a project is real must not depend on it.
    pub(crate) async fn about(&self, id: ProjectId) -> Result<Reply, Fault> {
        let project = self.projects.get(&id).ok_or(Fault::UnknownProject(id))?;
        let depths = tokio::time::timeout(DEPTHS_LIMIT, self.broker.depths()).await;
        let backlog = match depths {
            Ok(Ok(depths)) => Some(depths.iter().map(|depth| depth.ready).sum()),
            Ok(Err(_)) | Err(_) => None,
        };
        let about = About {
            project: id.get(),
            rehearsal: project.rehearsal,
            backlog,
        };
        Ok(reply(StatusCode::OK, &about))
    }
}
