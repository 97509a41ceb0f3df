#include "actors/client/one_shot.hpp"

#include "net/http/client.hpp"

namespace troupe::client {
namespace {

/// Lives as long as its callbacks do.
struct attempt {
  const rt::world& in;
  one_shot what;
  callback<void(result<net::http::response>)> done;
  std::unique_ptr<net::http::client_connection> connection;
};

}  // namespace

void fetch_once(const rt::world& in, one_shot what, callback<void(result<net::http::response>)> done) {
  auto context = in.tls->make_client(what.with);
  if (!context.ok()) return done(context.why());
  auto self = std::make_shared<attempt>(attempt{in, std::move(what), std::move(done), nullptr});
  self->what.ask.headers.add("connection", "close");
  in.dialer->dial(self->what.to, self->what.patience, [self, context = *context](result<net::stream_ptr> raw) {
    if (!raw.ok()) return self->done(raw.why());
    self->in.tls->connect(*self->in.shard, std::move(*raw), context, [self](result<net::stream_ptr> safe) {
      if (!safe.ok()) return self->done(safe.why());
      self->connection = net::http::attach(*self->in.shard, std::move(*safe));
      net::http::fetch(*self->connection, self->what.ask, to_string(self->what.to), self->what.patience,
                       [self](result<net::http::response> got) {
        // The connection goes only after its own callback is through.
        self->in.shard->post([connection = std::shared_ptr<net::http::client_connection>(std::move(self->connection))] {});
        self->done(std::move(got));
      }, self->what.body_max);
    });
  });
}

}  // namespace troupe::client
