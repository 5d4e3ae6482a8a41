//! The one way out: what is written to stdout and stderr, the log included, passes here. Text from outside
//! acts on no terminal, gives a pipeline's agent no command, and holds no secret of this process.

use std::io::{self, Write};

use privlink_render::escape;
use privlink_render::pipeline;
use privlink_render::style::Style;
use tracing_subscriber::fmt::MakeWriter;

/// What lets through our own colours, line breaks and tabs, and nothing else that acts. Commands for an
/// agent go past it, as [`pipeline::Commands`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate {
    /// How the stream looks: whether colours pass.
    pub(crate) style: Style,
    /// Whether an agent reads commands in the output.
    pub(crate) is_read_by_agent: bool,
}

impl Gate {
    /// Text of several lines.
    pub(crate) fn pass(self, text: &str) -> String {
        let text = privlink_http::secret::hide(text);
        let text = escape::gate(&text, self.style);
        if self.is_read_by_agent {
            return pipeline::guard(&text).into_owned();
        }
        text.into_owned()
    }

    /// Text of one line, whatever it holds.
    pub(crate) fn line(self, text: &str) -> String {
        self.pass(&text.replace('\n', "\\n"))
    }
}

/// Where log lines go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log(pub(crate) Gate);

impl Write for Log {
    /// Takes an event, which is written as a whole.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let event = String::from_utf8_lossy(bytes);
        let line = self.0.line(event.trim_end_matches('\n'));
        io::stderr().write_all(format!("{line}\n").as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}
