//! A webhook's body, read by the roles and by a plain reader.

mod plain;

use order::{Kind, PlayerId, ProjectId, Sku, TransactionId};
use xsolla::notice::{
    AfsBlackList, AfsReject, Billing, CurrencyType, Dispute, GetPincode, Item, Named, Order,
    OrderCanceled, OrderPaid, PartialRefund, PartnerSideCatalog, Payment, PaymentAccount, PublicId,
    RedeemKey, Refund, Subscription, Transaction, UserBalanceOperation, UserSearch, UserValidation,
};
use xsolla::{Glance, Notice};

use plain::{Plain, Reading};

/// A body.
///
/// Notice and glance are what a walk over [`serde_json::Value`] finds at the same paths;
/// what `Value` refuses is no notice; where a name stands twice, nothing is read that
/// another reader would read differently; a notice and its glance name the same ids.
///
/// # Panics
/// Where that does not hold.
pub fn check(body: &[u8]) {
    let notice = Notice::read(body);
    let glance = Glance::of(body);
    match plain::read(body) {
        Reading::Refused => {
            assert!(notice.is_err(), "{notice:?}");
            assert_eq!(glance.kind, Kind::Unreadable);
        }
        Reading::Unknown => {}
        Reading::Once(root) => {
            agrees(notice.as_ref().ok(), &root);
            assert_eq!(glance, glanced(&root));
            for project in [271_904, 1] {
                let project = ProjectId::try_from(project).expect("a positive number");
                let named = Notice::read_for(project, body).ok();
                let expected = notice.as_ref().ok().filter(|_| is_of(project, &root));
                assert_eq!(named.as_ref(), expected);
            }
            names_alike(notice.as_ref().ok(), &glance);
        }
        Reading::Twice { first, last } => {
            for root in [first, last] {
                if notice.is_ok() {
                    agrees(notice.as_ref().ok(), &root);
                }
                if glance.kind != Kind::Unreadable {
                    assert_eq!(glance, glanced(&root));
                }
            }
            if glance.kind != Kind::Unreadable {
                names_alike(notice.as_ref().ok(), &glance);
            }
        }
    }
}

fn agrees(notice: Option<&Notice>, root: &Plain) {
    let mut notice = notice.cloned();
    if let Some(Notice::UserSearch(search)) = &mut notice {
        // Nobody but its reader makes one.
        let public_id = search.public_id.take();
        let text = public_id.as_ref().map(PublicId::as_str);
        assert_eq!(text, root.text("user.public_id").as_deref());
    }
    assert_eq!(notice, read(root), "{root:?}");
    if let Some(notice) = notice {
        assert!(!notice.reference("message").to_string().is_empty());
    }
}

fn names_alike(notice: Option<&Notice>, glance: &Glance) {
    let Some(notice) = notice else { return };
    assert_eq!(notice.kind(), glance.kind);
    let Named {
        order,
        transaction,
        player,
    } = notice.named();
    assert!(order.is_none() || order == glance.order);
    assert!(transaction.is_none() || transaction == glance.transaction);
    assert!(player.is_none() || player == glance.player);
}

/// Whether the body names no other project, and nothing else in its place.
fn is_of(project: ProjectId, root: &Plain) -> bool {
    PROJECTS.iter().all(|path| {
        let is_there = root.at(path).is_some_and(|value| !value.is_null());
        !is_there || root.id(path) == Some(project)
    })
}

const PROJECTS: [&str; 3] = [
    "settings.project_id",
    "billing.settings.project_id",
    "event.project_id",
];

fn kind(root: &Plain) -> Kind {
    root.name("notification_type")
        .map_or(Kind::Unreadable, |name| Kind::from(name.as_str()))
}

fn glanced(root: &Plain) -> Glance {
    let kind = kind(root);
    let is_order = matches!(kind, Kind::OrderPaid | Kind::OrderCanceled);
    let (order, transaction, player) = if is_order {
        (
            root.id("order.id"),
            order_transaction(root),
            root.id("user.external_id"),
        )
    } else {
        let Named {
            order,
            transaction,
            player,
        } = named(root);
        let event = || root.id("event.transaction_id");
        (order, transaction.or_else(event), player)
    };
    Glance {
        kind,
        order,
        transaction,
        player,
        projects: PROJECTS.iter().filter_map(|path| root.id(path)).collect(),
    }
}

fn order_transaction(root: &Plain) -> Option<TransactionId> {
    let invoice = || {
        let is_real = root.scalar("order.currency_type").as_deref() == Some("real");
        root.id("order.invoice_id").filter(|_| is_real)
    };
    root.id("billing.transaction.id").or_else(invoice)
}

fn player(root: &Plain) -> Option<PlayerId> {
    ["user.id", "user.external_id", "user.user_id", "user_id"]
        .into_iter()
        .find_map(|path| root.id(path))
}

fn named(root: &Plain) -> Named {
    Named {
        order: root.id("purchase.order.id").or_else(|| root.id("order.id")),
        transaction: root
            .id("transaction.id")
            .or_else(|| root.id("billing.transaction.id")),
        player: player(root),
    }
}

/// The notice a plain reader finds; none where a key is missing.
fn read(root: &Plain) -> Option<Notice> {
    let player = player(root);
    let name = root.name("notification_type")?;
    Some(match name.as_str() {
        "user_validation" => Notice::UserValidation(UserValidation { player }),
        "user_search" => Notice::UserSearch(UserSearch {
            player,
            public_id: None,
        }),
        "partner_side_catalog" => Notice::PartnerSideCatalog(PartnerSideCatalog { player }),
        "get_pincode" => Notice::GetPincode(GetPincode {
            player,
            content: root.text("pin_code.digital_content"),
            drm: root.text("pin_code.DRM"),
        }),
        "payment" => Notice::Payment(Payment {
            transaction: transaction(root)?,
            order: root.id("purchase.order.id"),
            player,
            total: root.money("purchase.total"),
            subscription: root.text("purchase.subscription.subscription_id"),
        }),
        "refund" => Notice::Refund(Refund {
            transaction: transaction(root)?,
            player,
            code: root.whole("refund_details.code"),
        }),
        "partial_refund" => Notice::PartialRefund(PartialRefund {
            transaction: root.id("transaction.id"),
            player,
            code: root.whole("refund_details.code"),
            date: root.text("transaction.date"),
            returned: root.money("payment_details.payment"),
        }),
        "order_paid" => Notice::OrderPaid(OrderPaid {
            order: order(root)?,
            player: root.id("user.external_id")?,
            items: root.list("items").iter().map(item).collect(),
            billing: billing(root),
        }),
        "order_canceled" => Notice::OrderCanceled(OrderCanceled {
            order: order(root)?,
            player: root.id("user.external_id"),
            billing: billing(root),
        }),
        _ => return of_record(&name, root),
    })
}

/// The notices that are only recorded.
fn of_record(name: &str, root: &Plain) -> Option<Notice> {
    let player = player(root);
    let transaction = root.id("transaction.id");
    Some(match name {
        "afs_reject" => Notice::AfsReject(AfsReject {
            transaction,
            player,
            code: root.whole("refund_details.code"),
            dry_run: root.mark("transaction.dry_run").unwrap_or(false),
        }),
        "afs_black_list" => Notice::AfsBlackList(AfsBlackList {
            transaction: root.id("event.transaction_id"),
            action: root.text("event.action"),
            reason: root.text("event.reason"),
        }),
        "dispute" => Notice::Dispute(Dispute {
            transaction,
            player,
            action: root.text("action"),
            incoming_date: root.text("dispute.incoming_date"),
            reason: root.text("dispute.reason"),
            dispute_type: root.text("dispute.type"),
            status: root.text("dispute.status"),
        }),
        "create_subscription" => Notice::CreateSubscription(subscription(root)),
        "update_subscription" => Notice::UpdateSubscription(subscription(root)),
        "cancel_subscription" => Notice::CancelSubscription(subscription(root)),
        "non_renewal_subscription" => Notice::NonRenewalSubscription(subscription(root)),
        "payment_account_add" => Notice::PaymentAccountAdd(account(root)),
        "payment_account_remove" => Notice::PaymentAccountRemove(account(root)),
        "redeem_key" => Notice::RedeemKey(RedeemKey {
            player,
            sku: root.id("sku"),
            activated: root.text("activation_date"),
        }),
        "user_balance_operation" => Notice::UserBalanceOperation(UserBalanceOperation {
            player,
            transaction,
            operation: root.text("operation_type"),
            id: root.text("id_operation"),
        }),
        "ps_declined" => Notice::PsDeclined(named(root)),
        "upgrade_refund" => Notice::UpgradeRefund(named(root)),
        "keys_availability" => Notice::KeysAvailability(named(root)),
        "web_store_user_validation" => Notice::WebStoreUserValidation(named(root)),
        "web_store_payment_validation" => Notice::WebStorePaymentValidation(named(root)),
        "" | "unreadable" => return None,
        _ => Notice::Other {
            name: name.chars().filter(|c| !c.is_control()).take(64).collect(),
            named: named(root),
        },
    })
}

fn transaction(root: &Plain) -> Option<Transaction> {
    Some(Transaction {
        id: root.id("transaction.id")?,
        dry_run: root.mark("transaction.dry_run").unwrap_or(false),
    })
}

fn order(root: &Plain) -> Option<Order> {
    let mode = root.text("order.mode").unwrap_or_default();
    let currency_type = root.text("order.currency_type").map(|word| match &*word {
        "real" => CurrencyType::Real,
        "virtual" => CurrencyType::Virtual,
        "unknown" => CurrencyType::Unknown,
        "loyalty_point" => CurrencyType::LoyaltyPoint,
        _ => CurrencyType::Other(word),
    });
    Some(Order {
        id: root.id("order.id")?,
        sandbox: mode.to_ascii_lowercase() == "sandbox",
        currency_type,
        price: root.money("order"),
        amount: root.id("order.amount"),
        invoice: root.id("order.invoice_id"),
    })
}

fn item(line: &Plain) -> Item {
    Item {
        sku: line.id::<Sku>("sku"),
        item_type: line.text("type"),
        quantity: line.whole("quantity"),
        amount: line.id("amount"),
        is_free: line.mark("is_free"),
        is_bonus: line.mark("is_bonus"),
        is_bundle_content: line.mark("is_bundle_content"),
    }
}

fn billing(root: &Plain) -> Option<Billing> {
    let members = root.at("billing")?.as_object()?;
    (!members.is_empty()).then(|| Billing {
        transaction: root.id("billing.transaction.id"),
        dry_run: root.mark("billing.transaction.dry_run").unwrap_or(false),
        refund_code: root.whole("billing.refund_details.code"),
    })
}

fn subscription(root: &Plain) -> Subscription {
    Subscription {
        player: player(root),
        id: root.text("subscription.subscription_id"),
        plan: root.text("subscription.plan_id"),
        product: root.text("subscription.product_id"),
        created: root.text("subscription.date_create"),
        next_charge: root.text("subscription.date_next_charge"),
        ends: root.text("subscription.date_end"),
    }
}

fn account(root: &Plain) -> PaymentAccount {
    PaymentAccount {
        player: player(root),
        id: root.text("payment_account.id"),
    }
}
