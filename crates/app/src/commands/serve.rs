//! Starting roles and keeping the process until they have stopped.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use lifecycle::Lifecycle;

use crate::cli::Serve;
use crate::configuration::{Configuration, Sources};
use crate::demo::Demo;
use crate::roles::{Roles, Running};

/// How long letting go of servers and files may take, once the roles have stopped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs roles until a signal, or until one of them dies.
pub(crate) fn roles(roles: &Roles, config: &Configuration) -> anyhow::Result<ExitCode> {
    super::runtime()?.block_on(async {
        let lifecycle = Lifecycle::new();
        lifecycle.listen_for_signals()?;
        let running = roles.start(config, &lifecycle).await?;
        Ok(finish(running, &lifecycle).await)
    })
}

/// Runs every role: as configured, or with a demo project where nothing is.
pub(crate) fn serve(serve: &Serve, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let sources = super::sources(config)?;
    if Demo::is_wanted(&sources) {
        return demo(serve, sources.environment);
    }
    anyhow::ensure!(
        !serve.play,
        "`--play` plays an order of the demo project, and here is a configuration; leave it out \
         and use `grantline play --webhook-url … --secret-file …`"
    );
    roles(&Roles::all(), &Configuration::load(&sources)?.value)
}

fn demo(serve: &Serve, environment: Vec<(String, String)>) -> anyhow::Result<ExitCode> {
    let demo = Demo::new(&serve.data)?;
    let mut sources = Sources {
        file: None,
        environment,
    };
    sources.file = Some(demo.configuration(&sources));
    let config = Configuration::load(&sources)?.value;
    super::runtime()?.block_on(async {
        let lifecycle = Lifecycle::new();
        lifecycle.listen_for_signals()?;
        let running = Roles::all().start(&config, &lifecycle).await?;
        // Until the end: a second server of the folder, which is refused, leaves it alone.
        let mut word = None;
        let shown = lifecycle
            .drain_token()
            .run_until_cancelled(async {
                let page = demo.open_page(running.addresses, &lifecycle)?;
                word = Some(demo.announce(running.addresses, page)?);
                if serve.play {
                    demo.play(&running).await?;
                }
                demo.say_what_next(running.addresses)
            })
            .await;
        if let Some(Err(error)) = shown {
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
    // What does not close is safe to leave: nothing is acknowledged that is not on disk.
    if tokio::time::timeout(CLOSE_TIMEOUT, running.close())
        .await
        .is_err()
    {
        tracing::warn!("The servers, or the disk, do not answer: they are left open");
    }
    ExitCode::from(verdict.exit_code())
}
