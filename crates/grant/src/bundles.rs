//! Which lines of an order are granted when bundles are among them.
//!
//! A notice lists each bundle and, beside it, what it contains. Webhook version 2 marks
//! the contents with `is_bundle_content`; version 1 marks nothing.
//!
//! | line | `contents` | `heading` |
//! |---|---|---|
//! | bundle | heading | granted |
//! | bundle inside a bundle (marked) | heading | content |
//! | marked as content | granted | content |
//! | marked as no content | granted | granted |
//! | unmarked, no bundle in the order | granted | granted |
//! | unmarked, beside a bundle | granted | unclear |

use order::ParkReason;
use xsolla::notice::Item;

use crate::{Bundles, Unclear};

/// The lines to grant, with their places in the notice.
pub(crate) fn granted(items: &[Item], bundles: Bundles) -> Result<Vec<(usize, &Item)>, Unclear> {
    let lines = items.iter().enumerate();
    match bundles {
        Bundles::Contents if lacks_contents(items) => Err(Unclear {
            reason: ParkReason::NothingToGrant,
            detail: "`items`: expected the contents of the bundle beside it, found none".into(),
        }),
        Bundles::Contents => Ok(lines.filter(|(_, item)| !item.is_bundle()).collect()),
        Bundles::Heading => {
            let unmarked =
                |(_, item): &(usize, &Item)| !item.is_bundle() && item.is_bundle_content.is_none();
            if items.iter().any(Item::is_bundle)
                && let Some((index, _)) = lines.clone().find(unmarked)
            {
                let path = format!("items[{index}].is_bundle_content");
                return Err(Unclear::field(
                    &path,
                    "true or false beside a bundle, as webhook version 2 has it",
                ));
            }
            Ok(lines
                .filter(|(_, item)| item.is_bundle_content != Some(true))
                .collect())
        }
    }
}

/// Whether marks are there, a bundle is, and nothing is marked as its content: granting
/// the rest would leave out what the bundle was paid for.
fn lacks_contents(items: &[Item]) -> bool {
    let marks = || items.iter().filter_map(|item| item.is_bundle_content);
    items.iter().any(Item::is_bundle) && marks().next().is_some() && !marks().any(|content| content)
}
