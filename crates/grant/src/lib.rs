//! Handler: what a paid order grants
