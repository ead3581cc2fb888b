//! Starting roles and keeping the process until they have stopped.

use std::path::Path;
use std::process::ExitCode;

use lifecycle::Lifecycle;

use crate::configuration::{Configuration, Sources};
use crate::demo::Demo;
use crate::roles::{Roles, Running};

/// Runs roles until a signal, or until one of them dies.
pub(crate) fn roles(roles: &Roles, config: &Configuration) -> anyhow::Result<ExitCode> {
    super::runtime()?.block_on(async {
        let lifecycle = Lifecycle::new();
        lifecycle.listen_for_signals()?;
        let running = roles.start(config, &lifecycle)?;
        Ok(finish(running, &lifecycle).await)
    })
}

/// Runs every role with a demo project and plays one order through them.
pub(crate) fn demo(config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let demo = Demo::new()?;
    let Sources { file, environment } = super::sources(config)?;
    anyhow::ensure!(
        file.is_none(),
        "`--demo` brings a configuration of its own; leave out `--config`"
    );
    let sources = Sources {
        file: Some(demo.configuration()),
        environment,
    };
    let config = Configuration::load(&sources)?.value;
    super::runtime()?.block_on(async {
        let lifecycle = Lifecycle::new();
        lifecycle.listen_for_signals()?;
        let running = Roles::all().start(&config, &lifecycle)?;
        let played = lifecycle
            .drain_token()
            .run_until_cancelled(async {
                demo.play(&running).await?;
                demo.open_page(&config, &running, &lifecycle)
            })
            .await;
        if let Some(Err(error)) = played {
            lifecycle.drain();
            finish(running, &lifecycle).await;
            return Err(error);
        }
        Ok(finish(running, &lifecycle).await)
    })
}

async fn finish(running: Running, lifecycle: &Lifecycle) -> ExitCode {
    lifecycle.drain_token().cancelled().await;
    tracing::info!("Stopping: finishing what is held");
    let verdict = lifecycle.wait(running.grace).await;
    running.close().await;
    ExitCode::from(verdict.exit_code())
}
