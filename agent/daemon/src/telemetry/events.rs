//! Records what happened.

use std::{fmt, sync::Arc};

use dunlin_protocol::{
    Channel, Message as _,
    message::{Event, RecordId, Severity},
    update::UpdateReport,
};

use crate::{
    clock::Clock,
    spool::{Drops, REFUSED, Spool, SpoolError},
};

/// Writes events into the spool.
#[derive(Clone)]
pub struct Events {
    spool: Arc<Spool>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    /// Into this spool.
    pub fn new(spool: Arc<Spool>, clock: Arc<dyn Clock>) -> Self {
        Self { spool, clock }
    }

    /// Records an event.
    pub fn tell(&self, code: &str, severity: Severity, message: impl Into<String>) {
        self.record(code, severity, message.into(), None);
    }

    /// Records a step of an update.
    pub fn tell_update(&self, severity: Severity, report: UpdateReport) {
        let message = format!("update to {}: {}", report.model, report.state.name());
        self.record("update", severity, message, Some(report));
    }

    /// Tells of records that were merged or dropped since this was last asked. Meant for once a window: an event for
    /// each would fill a full spool with events.
    pub fn tell_drops(&self) {
        let Some(drops) = self.spool.take_drops() else { return };
        let Drops { count, total, why } = drops;
        let message = format!("{count} records were merged or dropped, {total} since enrolment: {why}");
        if let Err(error) = self.write("records-dropped", Severity::Warning, message, None) {
            tracing::warn!(%error, "drops are told later");
            self.spool.put_back(drops);
        }
    }

    fn record(&self, code: &str, severity: Severity, message: String, update: Option<UpdateReport>) {
        if let Err(error) = self.write(code, severity, message, update) {
            tracing::warn!(%error, "an event could not be kept");
            if matches!(error, SpoolError::Disk { .. }) {
                self.spool.lose(REFUSED);
            }
        }
    }

    fn write(
        &self,
        code: &str,
        severity: Severity,
        message: String,
        update: Option<UpdateReport>,
    ) -> Result<RecordId, SpoolError> {
        match severity {
            Severity::Info => tracing::info!(code, "{message}"),
            Severity::Warning => tracing::warn!(code, "{message}"),
            Severity::Error => tracing::error!(code, "{message}"),
        }
        let mut event = Event {
            record: RecordId { boot: 0, sequence: 0 },
            at_ms: self.clock.now_ms(),
            code: code.to_owned(),
            severity,
            message,
            update,
        };
        self.spool.append(Channel::Event, |record| {
            event.record = record;
            event.encode()
        })
    }
}
