//! Whether a file holds together.

use crate::{File, ReadError};

impl File {
    /// What SQLite finds wrong with the file first; `None` for nothing. Reads all of it but
    /// what a comparison of each index with its table would need, and holds up nobody.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn find_damage(&self) -> Result<Option<String>, ReadError> {
        let found: String = self
            .read(|connection| {
                let sql = "PRAGMA quick_check(1)";
                let found = connection.query_row(sql, [], |row| row.get(0));
                found.map_err(ReadError::from)
            })
            .await?;
        Ok((found != "ok").then_some(found))
    }
}
