//! Invented notices of every published shape, for the tests of every crate.

/// One notice.
#[derive(Clone, Copy, Debug)]
pub struct Fixture {
    /// Its file's name without the ending.
    pub name: &'static str,
    /// The body.
    pub body: &'static [u8],
}

macro_rules! fixtures {
    ($($constant:ident = $name:literal),+ $(,)?) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $constant: &[u8] = include_bytes!(concat!("../fixtures/", $name, ".json"));
        )+

        /// All of them, sorted by name.
        pub const ALL: &[Fixture] = &[$(Fixture { name: $name, body: $constant }),+];
    };
}

fixtures! {
    AFS_BLACK_LIST = "afs_black_list",
    AFS_REJECT = "afs_reject",
    CANCEL_SUBSCRIPTION = "cancel_subscription",
    CREATE_SUBSCRIPTION = "create_subscription",
    DISPUTE = "dispute",
    GET_PINCODE = "get_pincode",
    NON_RENEWAL_SUBSCRIPTION = "non_renewal_subscription",
    ORDER_CANCELED_COMBINED = "order_canceled_combined",
    ORDER_CANCELED_SEPARATE = "order_canceled_separate",
    ORDER_PAID_COMBINED = "order_paid_combined",
    ORDER_PAID_COMBINED_SANDBOX = "order_paid_combined_sandbox",
    ORDER_PAID_COMBINED_V2_BUNDLE_BONUS = "order_paid_combined_v2_bundle_bonus",
    ORDER_PAID_FREE = "order_paid_free",
    ORDER_PAID_SEPARATE = "order_paid_separate",
    ORDER_PAID_VIRTUAL_CURRENCY = "order_paid_virtual_currency",
    PARTIAL_REFUND = "partial_refund",
    PARTNER_SIDE_CATALOG = "partner_side_catalog",
    PAYMENT = "payment",
    PAYMENT_ACCOUNT_ADD = "payment_account_add",
    PAYMENT_MERCHANT_TOKEN_NO_ORDER = "payment_merchant_token_no_order",
    PAYMENT_SANDBOX = "payment_sandbox",
    PAYMENT_WITH_ORDER_OBJECT = "payment_with_order_object",
    REDEEM_KEY = "redeem_key",
    REFUND = "refund",
    UPDATE_SUBSCRIPTION = "update_subscription",
    USER_BALANCE_OPERATION = "user_balance_operation",
    USER_SEARCH = "user_search",
    USER_SEARCH_PUBLIC_ONLY = "user_search_public_only",
    USER_VALIDATION = "user_validation",
    USER_VALIDATION_MINIMAL = "user_validation_minimal",
    USER_VALIDATION_WITH_CUSTOM_PARAMETERS = "user_validation_with_custom_parameters",
    WEB_SHOP_USER_VALIDATION = "web_shop_user_validation",
}
