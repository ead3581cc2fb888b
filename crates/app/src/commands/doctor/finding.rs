//! What a check finds.

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    /// As it should be.
    Ok,
    /// It works, and somebody may regret it.
    Warn,
    /// It does not work, or loses what was promised.
    Fail,
}

impl Grade {
    pub(super) const ALL: [Self; 3] = [Self::Ok, Self::Warn, Self::Fail];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One answer of a check. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// What was looked at, such as `ledger.clock`.
    pub(super) check: &'static str,
    pub(super) grade: Grade,
    /// What was found, and what to do about what is not as it should be.
    pub(super) text: String,
}

impl Finding {
    pub(super) fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Grade::Ok, text)
    }

    pub(super) fn warn(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Grade::Warn, text)
    }

    pub(super) fn fail(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Grade::Fail, text)
    }

    pub(super) fn new(check: &'static str, grade: Grade, text: impl Into<String>) -> Self {
        Self {
            check,
            grade,
            text: text.into(),
        }
    }
}

/// An error with its causes.
pub(super) fn chain(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}
