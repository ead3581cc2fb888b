//! HTTP server with limits and drain, and the admin routes
