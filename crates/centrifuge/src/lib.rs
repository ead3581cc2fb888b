//! Centrifuge client protocol, server side, without I/O
