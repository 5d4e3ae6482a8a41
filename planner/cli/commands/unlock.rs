//! `unlock`: takes a stack's lock away from a holder that is gone.

use privlink_engine::lock;
use privlink_engine::run::Failure;
use privlink_engine::session::Patience;
use privlink_kubernetes::Lock;

use crate::args::Unlock;
use crate::command_error::CommandError;
use crate::connect;
use crate::exit::Exit;
use crate::ui::Ui;

pub(crate) fn run(args: &Unlock, ui: &mut Ui) -> Result<Exit, CommandError> {
    let desired = super::sound(&args.input, &args.place, None, ui)?;
    super::block_on(async {
        let connected = connect::connect(&desired, &args.place, Patience::default()).await?;
        let Some(kubernetes) = &connected.session.kubernetes else {
            ui.say("The stack has no cluster to keep a lock in: it has none.");
            connected.close().await?;
            return Ok(Exit::Done);
        };
        let lock = lock::of(&desired.name, kubernetes);
        let exit = free(&lock, args, ui).await;
        connected.close().await?;
        exit
    })
}

async fn free(lock: &Lock, args: &Unlock, ui: &mut Ui) -> Result<Exit, CommandError> {
    let Some(holder) = lock.holder().await.map_err(Failure::Lock)? else {
        ui.say("The stack's lock is free.");
        return Ok(Exit::Done);
    };
    let question = format!(
        "{} holds the stack's lock since {}, and last gave a sign of life at {}. If it still \
         works, two applies will run at once. Type `yes` to unlock, anything else to stop:",
        holder.identity, holder.since, holder.renewed
    );
    if !args.auto_approve && !ui.confirm(&question, "yes")? {
        ui.say("Left locked.");
        return Ok(Exit::Error);
    }
    lock.break_open(&holder).await.map_err(Failure::Lock)?;
    ui.say(&format!("Unlocked: {} held it.", holder.identity));
    Ok(Exit::Done)
}
