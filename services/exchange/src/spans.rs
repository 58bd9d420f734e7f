//! Spans: what a piece of work tells of itself to those who collect traces (OpenTelemetry).
//!
//! Where the settings name no receiver nothing is collected, and the trace is only handed on. Names, numbers and codes are
//! told; never texts of documents, questions or answers, nor secrets.

use domain::trace::Trace;
use opentelemetry::{
    Context, KeyValue, Value, global,
    global::BoxedSpan,
    trace::{
        Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
        TraceState, Tracer as _,
    },
};
use std::{borrow::Cow, num::NonZeroU64};

/// Who tells.
const SCOPE: &str = "glmhub";

tokio::task_local! {
    static HERE: Trace;
}

/// What a piece of work is to the one that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It answers a request.
    Server,
    /// It asks somebody else.
    Client,
    /// It works at what was put into a queue.
    Consumer,
    /// A part of it.
    Internal,
}

/// A piece of work that is under way. It ends when it is dropped.
pub struct Span {
    span: BoxedSpan,
    trace: Trace,
}

impl Span {
    /// Begins one that belongs to `parent`, or a trace of its own.
    pub fn begin(name: impl Into<Cow<'static, str>>, kind: Kind, parent: Option<&Trace>) -> Self {
        let tracer = global::tracer(SCOPE);
        let above = match parent {
            Some(parent) => Context::new().with_remote_span_context(context_of(parent)),
            None => Context::new(),
        };
        let kind = match kind {
            Kind::Server => SpanKind::Server,
            Kind::Client => SpanKind::Client,
            Kind::Consumer => SpanKind::Consumer,
            Kind::Internal => SpanKind::Internal,
        };
        let span = tracer.span_builder(name).with_kind(kind);
        let span = span.start_with_context(&tracer, &above);
        let told = span.is_recording().then(|| trace_of(span.span_context(), parent));
        let begun = || match parent {
            // A span that nobody tells of would be missed by those who collect what belongs to it.
            Some(parent) => parent.clone(),
            None => Trace::begin(&mut rand::rng()),
        };
        let trace = told.flatten().unwrap_or_else(begun);
        Self { span, trace }
    }

    /// Where what comes of it belongs.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// As [`Span::trace`], for somebody else: in any case in a span that no other message is of.
    pub fn outgoing(&self) -> Trace {
        match self.span.is_recording() {
            true => self.trace.clone(),
            false => self.trace.further(&mut rand::rng()),
        }
    }

    /// Tells something of it. `name` is one of OpenTelemetry's conventions, or begins with `glmhub.`.
    pub fn tell(&mut self, name: &'static str, value: impl Into<Value>) {
        if self.span.is_recording() {
            self.span.set_attribute(KeyValue::new(name, value));
        }
    }

    /// Tells that it came to nothing, and the code of why.
    pub fn failed(&mut self, code: &'static str) {
        self.tell("error.type", code);
        self.span.set_status(Status::error(code));
    }
}

/// Does `work`, all of it in `trace`.
pub async fn within<T>(trace: Trace, work: impl Future<Output = T>) -> T {
    HERE.scope(trace, work).await
}

/// The trace that this is done in; none, if it is nobody's request.
pub fn here() -> Option<Trace> {
    HERE.try_with(Trace::clone).ok()
}

fn context_of(trace: &Trace) -> SpanContext {
    let flags = match trace.is_sampled() {
        true => TraceFlags::SAMPLED,
        false => TraceFlags::NOT_SAMPLED,
    };
    let state: Option<TraceState> = trace.tracestate().and_then(|list| list.parse().ok());
    SpanContext::new(
        TraceId::from(trace.id()),
        SpanId::from(trace.span()),
        flags,
        true,
        state.unwrap_or_default(),
    )
}

/// The trace of a span that is told of: its parent's, or a new one.
fn trace_of(told: &SpanContext, parent: Option<&Trace>) -> Option<Trace> {
    let span = u64::from_be_bytes(told.span_id().to_bytes());
    let trace = match parent {
        Some(parent) => parent.clone(),
        None => Trace::read(&format!("00-{}-{span:016x}-00", told.trace_id()), None)?,
    };
    Some(trace.within(NonZeroU64::new(span)?, told.is_sampled()))
}
