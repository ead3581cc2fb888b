//! What stands behind the question mark.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use crate::fault::Fault;
use crate::route::decode;

/// The parameters of one request.
#[derive(Debug)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads the parameters of a path that takes only `known` ones: a misspelt filter
    /// would otherwise answer another question than the one asked.
    pub(crate) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Fault> {
        let mut parameters = BTreeMap::new();
        let pairs = query.unwrap_or_default().split('&');
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name, true)?, decode(value, true)?);
            if !known.contains(&name.as_str()) {
                let known = known.join(", ");
                let fault = format!("`{name}` in the query: known are {known}");
                return Err(Fault::Input(fault));
            }
            if parameters.insert(name.clone(), value).is_some() {
                return Err(Fault::Input(format!("`{name}` stands twice in the query")));
            }
        }
        Ok(Self(parameters))
    }

    pub(crate) fn get<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Fault> {
        let value = self.0.get(name).map(|text| text.parse());
        value
            .transpose()
            .map_err(|fault| Fault::Input(format!("`{name}` in the query: {fault}")))
    }

    /// How many rows the answer may have: `limit`, and at most `max`.
    pub(crate) fn limit(&self, max: u32) -> Result<u32, Fault> {
        match self.get("limit")? {
            Some(0) => Err(Fault::Input("`limit` in the query: at least 1".into())),
            asked => Ok(asked.unwrap_or(max).min(max)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(query: &str) -> Result<Option<String>, &'static str> {
        Query::read(Some(query), &["player", "limit"])
            .and_then(|query| {
                query.limit(10)?;
                query.get("player")
            })
            .map_err(|fault| fault.code())
    }

    #[test]
    fn parameters_are_decoded() {
        assert_eq!(code("player=a%26b+c&limit=3"), Ok(Some("a&b c".into())));
        assert_eq!(code(""), Ok(None));
    }

    #[test]
    fn what_is_misspelt_doubled_or_out_of_range_is_refused() {
        for query in [
            "plaver=a",
            "player=a&player=b",
            "limit=0",
            "limit=x",
            "limit=-1",
            "player=%",
        ] {
            assert_eq!(code(query), Err("invalid"), "{query}");
        }
    }

    #[test]
    fn a_page_has_a_most() {
        let limit = |query| Query::read(query, &["limit"]).unwrap().limit(10).unwrap();
        assert_eq!(limit(None), 10);
        assert_eq!(limit(Some("limit=3")), 3);
        assert_eq!(limit(Some("limit=4000")), 10);
    }
}
