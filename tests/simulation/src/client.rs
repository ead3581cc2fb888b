//! A game client, and what it may be shown.

use std::collections::BTreeMap;

use centrifuge::Close;
use order::{PlayerId, Status};
use serde_json::Value;

use crate::publisher::channel;
use crate::truth::Truth;

/// A client of one player, connected to a publisher or away.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) player: usize,
    /// The publisher it is connected to.
    pub(crate) at: Option<usize>,
    /// The connect reply has come.
    is_live: bool,
    /// The last row it was shown, and its epoch.
    position: Option<(String, u64)>,
    /// The newest status it was shown of each order, in this epoch.
    shown: BTreeMap<i64, Status>,
    /// A history command is under way.
    asks: bool,
}

impl Client {
    pub(crate) fn of(player: usize) -> Self {
        Self {
            player,
            at: None,
            is_live: false,
            position: None,
            shown: BTreeMap::new(),
            asks: false,
        }
    }

    pub(crate) fn is_away(&mut self) {
        (self.at, self.is_live, self.asks) = (None, false, false);
    }

    /// Its connect command: it recovers from where it was.
    pub(crate) fn hello(&self) -> String {
        let subs = match &self.position {
            Some((epoch, offset)) => format!(
                r#"{{"{}":{{"recover":true,"epoch":"{epoch}","offset":{offset}}}}}"#,
                channel(self.player)
            ),
            None => "{}".to_owned(),
        };
        format!(r#"{{"id":1,"connect":{{"token":"t","subs":{subs}}}}}"#)
    }

    /// A history command, where one fits.
    pub(crate) fn ask(&mut self) -> Option<String> {
        if !self.is_live || std::mem::replace(&mut self.asks, true) {
            return None;
        }
        let channel = channel(self.player);
        Some(format!(
            r#"{{"id":2,"history":{{"channel":"{channel}","limit":-1}}}}"#
        ))
    }

    /// Whether it was shown everything there is.
    pub(crate) fn has_seen(&self, epoch: &str, top: usize) -> bool {
        let at_top = |(of, offset): &(String, u64)| of == epoch && *offset == top as u64;
        self.is_live && self.position.as_ref().is_some_and(at_top)
    }

    pub(crate) fn shown(&self, order: i64) -> Option<Status> {
        self.shown.get(&order).copied()
    }

    /// Where it is, for the log.
    pub(crate) fn position(&self) -> Option<&(String, u64)> {
        self.position.as_ref()
    }

    /// The server has closed: because it could not read the ledger, or because that is
    /// another one since a restore.
    pub(crate) fn is_closed(&mut self, close: Close, was_restored: bool) -> Result<(), String> {
        self.is_away();
        let is_due = match close.code() {
            3004 => true,
            3010 => was_restored,
            _ => false,
        };
        let unasked = || format!("closed with {}", close.code());
        is_due.then_some(()).ok_or_else(unasked)
    }

    /// Reads one frame, and says what is wrong with it.
    pub(crate) fn read(
        &mut self,
        frame: &str,
        truth: &Truth,
        player: &PlayerId,
    ) -> Result<(), String> {
        let frame: Value = serde_json::from_str(frame).map_err(|error| error.to_string())?;
        let told = Told { truth, player };
        if let Some(publication) = frame.pointer("/push/pub") {
            let epoch = self.position.as_ref().map(|(epoch, _)| epoch.clone());
            let epoch = epoch.ok_or("a push before the connect reply")?;
            return self.show(&epoch, publication, &told);
        }
        if let Some(subscribed) = frame.get("connect") {
            let subscribed = subscribed.pointer(&format!("/subs/{}", channel(self.player)));
            return self.connected(subscribed.ok_or("no subscription")?, &told);
        }
        if let Some(history) = frame.get("history") {
            return self.history(history, &told);
        }
        if frame.get("error").is_some() {
            return Err(format!("an error: {frame}"));
        }
        Ok(())
    }

    fn connected(&mut self, subscribed: &Value, told: &Told<'_>) -> Result<(), String> {
        self.is_live = true;
        let epoch = subscribed["epoch"].as_str().ok_or("no epoch")?.to_owned();
        let offset = subscribed["offset"].as_u64().unwrap_or(0);
        let before = self.position.take();
        if subscribed["recovered"].as_bool() == Some(true) {
            let (of, _) = before
                .as_ref()
                .ok_or("recovered without having been there")?;
            if *of != epoch {
                return Err(format!("recovered in {epoch} from {of}"));
            }
            if before.as_ref().map(|(_, at)| *at) != Some(offset) {
                return Err(format!("recovered from {offset}, not from {before:?}"));
            }
            self.position = before;
            for publication in subscribed["publications"].as_array().into_iter().flatten() {
                self.show(&epoch, publication, told)?;
            }
            return Ok(());
        }
        if before.is_some_and(|(of, _)| of == epoch) {
            return Err("not recovered although nothing is trimmed".to_owned());
        }
        // From here on: what was before it asks for.
        self.shown.clear();
        self.position = Some((epoch.clone(), offset));
        for offset in 1..=offset {
            let (order, status) = told.row(&epoch, offset)?;
            self.shown.insert(order, status);
        }
        Ok(())
    }

    /// Every row there is, and no fewer than were pushed.
    fn history(&mut self, history: &Value, told: &Told<'_>) -> Result<(), String> {
        self.asks = false;
        let (epoch, position) = self.position.as_ref().ok_or("a history before the reply")?;
        if history["epoch"].as_str() != Some(epoch) {
            return Err(format!("a history of {} in {epoch}", history["epoch"]));
        }
        let rows = history["publications"].as_array();
        let rows = rows.map_or(&[][..], Vec::as_slice);
        if (rows.len() as u64) < *position {
            return Err(format!(
                "a history of {} rows after {position} pushes",
                rows.len()
            ));
        }
        for (offset, row) in (1..).zip(rows) {
            told.compare(epoch, offset, row)?;
        }
        Ok(())
    }

    /// One row after the other, without a gap.
    fn show(&mut self, epoch: &str, publication: &Value, told: &Told<'_>) -> Result<(), String> {
        let next = self.position.as_ref().map_or(0, |(_, offset)| *offset) + 1;
        let (order, status) = told.compare(epoch, next, publication)?;
        if let Some(before) = self.shown.insert(order, status)
            && before >= status
        {
            return Err(format!("order {order} was {before:?} and is {status:?}"));
        }
        self.position = Some((epoch.to_owned(), next));
        Ok(())
    }
}

/// What the client's rows are held against.
struct Told<'a> {
    truth: &'a Truth,
    player: &'a PlayerId,
}

impl Told<'_> {
    fn row(&self, epoch: &str, offset: u64) -> Result<(i64, Status), String> {
        let row = self.truth.row(epoch, self.player, offset);
        row.ok_or_else(|| format!("row {offset} of {epoch} was never committed"))
    }

    fn compare(&self, epoch: &str, offset: u64, found: &Value) -> Result<(i64, Status), String> {
        let (order, status) = self.row(epoch, offset)?;
        let is_equal = found["offset"].as_u64() == Some(offset)
            && found["data"]["order_id"].as_i64() == Some(order)
            && found["data"]["status"].as_str() == Some(status.as_str());
        is_equal.then_some((order, status)).ok_or_else(|| {
            format!("row {offset} of {epoch} is order {order} {status:?}, shown was {found}")
        })
    }
}
