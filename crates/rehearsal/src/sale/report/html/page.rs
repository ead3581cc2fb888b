//! HTML that is written piece by piece. What is not ours goes through [`Page::text`], so
//! nothing that a player or a server wrote can become markup.

use std::fmt::{Display, Write as _};

/// A page under way.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    /// Markup of our own.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Anything else, between tags or within quotes.
    pub(super) fn text(&mut self, text: impl Display) -> &mut Self {
        // Writing to a text cannot fail.
        let _ = write!(Escaped(&mut self.0), "{text}");
        self
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

struct Escaped<'a>(&'a mut String);

impl std::fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                character if character.is_control() => self.0.push(' '),
                character => self.0.push(character),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_is_text_between_tags_and_within_quotes() {
        let mut page = Page::default();
        page.raw("<p title=\"")
            .text("\"'&<\u{0}>")
            .raw("\">")
            .text("</p><script>")
            .raw("</p>");
        assert_eq!(
            page.finish(),
            "<p title=\"&quot;&#39;&amp;&lt; &gt;\">&lt;/p&gt;&lt;script&gt;</p>"
        );
    }
}
