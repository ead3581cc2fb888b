//! Errors as a person reads them.

use std::iter::successors;

/// The error and its causes, outermost first, in one line: how the log, `/ready` and a parked
/// entry tell it.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = successors(Some(error), |error| error.source());
    let texts: Vec<_> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use std::num::ParseIntError;

    #[derive(Debug, thiserror::Error)]
    #[error("the port cannot be read")]
    struct Port(#[source] ParseIntError);

    #[derive(Debug, thiserror::Error)]
    #[error("no listener")]
    struct Listener(#[from] Port);

    #[test]
    fn every_cause_is_told_once_in_its_order() {
        let cause = "x".parse::<u16>().unwrap_err();
        let said = cause.to_string();
        let error = Listener(Port(cause));
        let whole = format!("no listener: the port cannot be read: {said}");
        assert_eq!(super::chain(&error), whole);
    }
}
