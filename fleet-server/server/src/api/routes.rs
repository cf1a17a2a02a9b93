//! A route and its documentation, declared together, so that neither is there without the other.

use axum::{Router, extract::DefaultBodyLimit, handler::Handler, http::Method, routing::MethodFilter};
use utoipa::{
    PartialSchema as _, ToSchema,
    openapi::{
        Content, HttpMethod, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Required, ResponseBuilder, Schema,
        path::{OperationBuilder, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        schema::{ObjectBuilder, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::Api;
use crate::error;

/// Largest body of a route that says nothing else, in bytes.
pub const BODY: usize = 1 << 20;

/// A parameter of the query string.
#[derive(Clone)]
struct Query {
    name: &'static str,
    meaning: &'static str,
    required: Required,
    schema: RefOr<Schema>,
}

/// What one route does, takes and gives.
#[derive(Clone)]
pub struct Spec {
    /// Method.
    pub method: Method,
    /// Path with `{names}`.
    pub path: &'static str,
    /// Whether it answers without token or session.
    pub open: bool,
    open_here: bool,
    limit_bytes: usize,
    summary: &'static str,
    query: Vec<Query>,
    takes: Option<(&'static str, RefOr<Schema>)>,
    gives: Option<(&'static str, RefOr<Schema>)>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Spec {
    /// A route that needs a token or a session.
    pub fn new(method: Method, path: &'static str, summary: &'static str) -> Self {
        let (query, schemas) = (Vec::new(), Vec::new());
        Self {
            method,
            path,
            open: false,
            open_here: false,
            limit_bytes: BODY,
            summary,
            query,
            takes: None,
            gives: None,
            schemas,
        }
    }

    /// `GET`.
    pub fn get(path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::GET, path, summary)
    }

    /// `POST`.
    pub fn post(path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::POST, path, summary)
    }

    /// Answers everybody.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// Takes a body of up to `bytes` instead of [`BODY`].
    #[must_use]
    pub fn up_to(mut self, bytes: u64) -> Self {
        self.limit_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self
    }

    /// Answers everybody on the server's own host.
    #[must_use]
    pub fn open_here(mut self) -> Self {
        self.open_here = true;
        self
    }

    /// Takes a query parameter.
    #[must_use]
    pub fn query(self, name: &'static str, meaning: &'static str) -> Self {
        self.asks(Query { name, meaning, required: Required::False, schema: bytes() })
    }

    /// Takes a query parameter that must be there.
    #[must_use]
    pub fn needs(self, name: &'static str, meaning: &'static str) -> Self {
        self.asks(Query { name, meaning, required: Required::True, schema: bytes() })
    }

    /// Takes a whole number in the query.
    #[must_use]
    pub fn number(self, name: &'static str, meaning: &'static str) -> Self {
        self.whole(name, meaning, i64::MIN, i64::MAX)
    }

    /// Takes a count in the query.
    #[must_use]
    pub fn count(self, name: &'static str, meaning: &'static str) -> Self {
        self.whole(name, meaning, 0, u32::MAX.into())
    }

    fn whole(self, name: &'static str, meaning: &'static str, least: i64, most: i64) -> Self {
        let whole = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least)).maximum(Some(most));
        let schema = RefOr::T(Schema::Object(whole.build()));
        self.asks(Query { name, meaning, required: Required::False, schema })
    }

    /// Takes one of these words in the query.
    #[must_use]
    pub fn word(self, name: &'static str, words: &[&'static str], meaning: &'static str) -> Self {
        let word = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words.iter().copied()));
        let schema = RefOr::T(Schema::Object(word.build()));
        self.asks(Query { name, meaning, required: Required::False, schema })
    }

    fn asks(mut self, query: Query) -> Self {
        self.query.push(query);
        self
    }

    /// Takes a JSON body.
    #[must_use]
    pub fn takes<T: ToSchema>(mut self) -> Self {
        T::schemas(&mut self.schemas);
        self.takes = Some(("application/json", T::schema()));
        self
    }

    /// Takes JSON that its origin describes.
    #[must_use]
    pub fn takes_json(mut self) -> Self {
        self.takes = Some(("application/json", anything()));
        self
    }

    /// Takes another body.
    #[must_use]
    pub fn takes_bytes(mut self, content_type: &'static str) -> Self {
        self.takes = Some((content_type, bytes()));
        self
    }

    /// Gives JSON.
    #[must_use]
    pub fn gives<T: ToSchema>(mut self) -> Self {
        T::schemas(&mut self.schemas);
        self.gives = Some(("application/json", T::schema()));
        self
    }

    /// Gives JSON that its origin describes.
    #[must_use]
    pub fn gives_json(mut self) -> Self {
        self.gives = Some(("application/json", anything()));
        self
    }

    /// Gives another body.
    #[must_use]
    pub fn gives_bytes(mut self, content_type: &'static str) -> Self {
        self.gives = Some((content_type, bytes()));
        self
    }
}

fn anything() -> RefOr<Schema> {
    RefOr::T(Schema::Object(ObjectBuilder::new().build()))
}

fn bytes() -> RefOr<Schema> {
    RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(Type::String).build()))
}

/// Routes with their documentation.
#[derive(Default)]
pub struct Routes {
    /// The handlers.
    pub router: Router<Api>,
    /// What they do.
    pub specs: Vec<Spec>,
}

impl Routes {
    /// Adds a resource's routes.
    #[must_use]
    pub fn with(self, add: fn(Self) -> Self) -> Self {
        add(self)
    }

    /// Adds a route.
    #[must_use]
    pub fn route<H, T>(mut self, spec: Spec, handler: H) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(spec.method.clone()).unwrap_or(MethodFilter::GET);
        let limit = DefaultBodyLimit::max(spec.limit_bytes);
        self.router = self.router.route(spec.path, axum::routing::on(filter, handler).layer(limit));
        self.specs.push(spec);
        self
    }

    /// Documents a route that another room handles.
    #[must_use]
    pub fn elsewhere(mut self, spec: Spec) -> Self {
        self.specs.push(spec);
        self
    }
}

/// The OpenAPI 3.1 document of these routes.
pub fn document(specs: &[Spec]) -> OpenApi {
    let (mut paths, mut schemas) = (Paths::new(), Vec::new());
    for spec in specs {
        schemas.extend(spec.schemas.iter().cloned());
        // OpenAPI has no sign for a parameter with slashes in it.
        paths.add_path_operation(
            spec.path.replace("{*", "{"),
            vec![http_method(&spec.method)],
            operation(spec),
        );
    }
    schemas.push((error::Body::name().into_owned(), error::Body::schema()));
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let mut components = utoipa::openapi::ComponentsBuilder::new().security_scheme("token", bearer);
    for (name, schema) in schemas {
        components = components.schema(name, schema);
    }
    let info = utoipa::openapi::InfoBuilder::new()
        .title("Dunlin fleet server")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Errors are `{code, message, cure}`: a stable word, what failed and why, the next step.",
        ));
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components.build())).build()
}

fn operation(spec: &Spec) -> OperationBuilder {
    let mut operation =
        OperationBuilder::new().summary(Some(spec.summary)).operation_id(Some(operation_id(spec)));
    let in_path = spec.path.split('{').skip(1).filter_map(|part| part.split('}').next());
    for name in in_path {
        let name = name.trim_start_matches('*');
        let parameter =
            ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(pattern(spec.path, name));
        operation = operation.parameter(parameter.schema(Some(RefOr::T(Schema::Object(text.build())))));
    }
    for query in &spec.query {
        let parameter = ParameterBuilder::new()
            .name(query.name)
            .parameter_in(ParameterIn::Query)
            .description(Some(query.meaning))
            .required(query.required.clone());
        operation = operation.parameter(parameter.schema(Some(query.schema.clone())));
    }
    if let Some((content_type, schema)) = &spec.takes {
        let body = RequestBodyBuilder::new().content(*content_type, Content::new(Some(schema.clone())));
        operation = operation.request_body(Some(body.required(Some(Required::True)).build()));
    }
    let mut done = ResponseBuilder::new().description("done");
    if let Some((content_type, schema)) = &spec.gives {
        done = done.content(*content_type, Content::new(Some(schema.clone())));
    }
    operation = operation.response("2XX", done.build());
    if spec.path == "/login" {
        operation =
            operation.response("303", ResponseBuilder::new().description("on to the first page").build());
    }
    for (status, meaning) in [("4XX", "refused, with a reason"), ("5XX", "the server failed inside")] {
        let content = Content::new(Some(Ref::from_schema_name("ApiError")));
        let refused = ResponseBuilder::new().description(meaning).content("application/json", content);
        operation = operation.response(status, refused.build());
    }
    if spec.open_here {
        operation = operation.security(SecurityRequirement::default());
    }
    if !spec.open {
        operation = operation.security(SecurityRequirement::new("token", Vec::<String>::new()));
    }
    operation
}

/// The rule for a name in a path, where the protocol has one.
fn pattern(path: &str, name: &str) -> Option<&'static str> {
    match name {
        "id" if path.starts_with("/api/v1/devices") => Some("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
        "name" | "model" => Some("^[a-z0-9][a-z0-9_-]{0,63}$"),
        "version" => Some(r"^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})$"),
        _ => None,
    }
}

/// `GET /api/v1/models/{name}` is `get_models_name`.
fn operation_id(spec: &Spec) -> String {
    let path = spec.path.trim_start_matches("/api/v1");
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(spec.method.as_str().to_lowercase().as_str()).chain(words).collect::<Vec<_>>().join("_")
}

fn http_method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}
