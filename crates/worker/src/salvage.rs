//! What can still be made of a message whose headers are not those of a task.

use broker::Unreadable;
use order::ProjectId;
use task::{MessageId, Salvage, Task};
use time::OffsetDateTime;
use xsolla::Glance;

/// The message as a task, from the headers that can be read and, for those that cannot,
/// from its body. `None` if neither tells its project: without one it can stand under no
/// order and cannot be replayed.
pub(crate) fn salvage(message: &Unreadable, now: OffsetDateTime) -> Option<Task> {
    let Unreadable { headers, body, .. } = message;
    let Salvage {
        project,
        kind,
        order,
        transaction,
        player,
        received_at,
        attempt,
        replay,
        trace,
    } = Salvage::of(headers);
    let glance = Glance::of(body);
    Some(Task {
        project: project.or_else(|| the_one(&glance.projects))?,
        kind: kind.unwrap_or(glance.kind),
        message: MessageId::of(body),
        order: order.or(glance.order),
        transaction: transaction.or(glance.transaction),
        player: player.or(glance.player),
        received_at: received_at.unwrap_or(now),
        attempt: attempt.unwrap_or(0),
        replay,
        trace,
        body: body.clone(),
    })
}

/// The project that a body names, unless it names several.
fn the_one(projects: &[ProjectId]) -> Option<ProjectId> {
    let (first, rest) = projects.split_first()?;
    rest.iter().all(|other| other == first).then_some(*first)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use order::Kind;
    use task::{HeaderError, Headers};

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
    const PAID: &str = r#"{"notification_type":"order_paid","order":{"id":7,
        "invoice_id":"900","currency_type":"real"},"user":{"external_id":"mira"},
        "settings":{"project_id":44056}}"#;

    fn message(headers: &[(&str, &str)], body: &str) -> Unreadable {
        let texts = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Unreadable {
            fault: HeaderError::Missing("grantline-format"),
            headers: headers.iter().map(texts).collect::<Headers>(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn what_no_header_tells_is_read_in_the_body() {
        let task = salvage(&message(&[], PAID), NOW).unwrap();
        assert_eq!((task.project.get(), &task.kind), (44_056, &Kind::OrderPaid));
        assert_eq!(task.order.unwrap().get(), 7);
        assert_eq!(task.transaction.unwrap().get(), 900);
        assert_eq!(task.player.unwrap().as_str(), "mira");
        assert_eq!((task.received_at, task.attempt), (NOW, 0));
        assert_eq!(task.message, MessageId::of(PAID.as_bytes()));
    }

    #[test]
    fn a_header_that_can_be_read_comes_before_the_body() {
        let headers = [
            ("grantline-project", "7"),
            ("grantline-order", "8"),
            ("grantline-player", ""),
            ("grantline-message-id", "junk"),
        ];
        let task = salvage(&message(&headers, PAID), NOW).unwrap();
        assert_eq!((task.project.get(), task.order.unwrap().get()), (7, 8));
        assert_eq!(task.player.unwrap().as_str(), "mira");
    }

    #[test]
    fn without_one_project_nothing_is_salvaged() {
        let two = r#"{"settings":{"project_id":1},"billing":{"settings":{"project_id":2}}}"#;
        for body in ["junk", "{}", two] {
            assert_eq!(salvage(&message(&[], body), NOW), None, "{body}");
        }
    }
}
