//! The embedded stack's file: that it can be read by this version, and holds together.

use std::path::Path;

use super::finding::{Finding, chain};

pub(super) async fn check(path: &Path) -> Vec<Finding> {
    let shown = path.display();
    if !path.exists() {
        let text = format!("there is no file {shown} yet; `grantline serve` makes it");
        return vec![Finding::warn("file.reach", text)];
    }
    let file = match sqlite::File::open_to_read(path) {
        Ok(file) => file,
        Err(error) => return vec![Finding::fail("file.reach", chain(error))],
    };
    let read = format!("{shown} is of this version, and can be read");
    let damage = file.find_damage().await;
    file.close().await;
    let check = "file.soundness";
    let sound = match damage {
        Ok(None) => Finding::ok(check, "the file holds together"),
        Ok(Some(damage)) => Finding::fail(
            check,
            format!(
                "{shown} is damaged ({damage}); stop its server and restore a backup (`grantline \
                 restore`), which keeps this one aside"
            ),
        ),
        Err(error) => {
            let text = format!("{shown} could not be looked through: {}", chain(error));
            Finding::warn(check, text)
        }
    };
    vec![Finding::ok("file.reach", read), sound]
}
