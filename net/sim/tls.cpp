// Symbolic TLS. The client says {"server_name", "nonce"} and its chain with a proof; the server
// answers with its chain and proof, or {"alert"}; the client ends with {"finished"} or {"alert"}.
// Each is a line of JSON behind a 4-byte length; what follows are the stream's own bytes, in clear.
#include <algorithm>

#include "basis/bytes.hpp"
#include "basis/ids.hpp"
#include "net/http/prefixed.hpp"
#include "net/sim/crypto.hpp"

namespace troupe::net::sim {
namespace {

constexpr std::size_t hello_bytes_max = 256 * 1024;

struct party {
  std::vector<json> chain;
  std::string secret;
};
struct symbolic_server final : tls::server_context {
  party self;
  std::vector<json> client_trust;
};
struct symbolic_client final : tls::client_context {
  party self;
  std::vector<json> trust;
  std::string server_name;
};

result<party> read_party(key_book& keys, const tls::identity& from) {
  party out;
  out.chain = blocks(from.certificates, "CERTIFICATE");
  const auto key = blocks(from.key.reveal(), "EC PRIVATE KEY");
  if (out.chain.empty()) return fail(errc::invalid, "there is no certificate in the PEM text");
  if (key.empty()) return fail(errc::invalid, "a private key cannot be read");
  out.secret = text_or(dig(key.front(), "secret"));
  if (keys.enter(out.secret) != text_or(dig(out.chain.front(), "public_key")))
    return fail(errc::invalid, "the key does not fit its certificate");
  return out;
}

/// A stream that knows who is on the other side, and is the carrier for everything else.
class known_stream final : public stream {
 public:
  known_stream(stream_ptr inner, peer_identity peer) : inner_(std::move(inner)), peer_(std::move(peer)) {}
  void start(stream_sink* sink) override { inner_->start(sink); }
  using stream::write;
  void write(std::string_view data) override { inner_->write(data); }
  std::size_t unsent() const override { return inner_->unsent(); }
  void pause() override { inner_->pause(); }
  void resume() override { inner_->resume(); }
  void close() override { inner_->close(); }
  const peer_identity& peer() const override { return peer_; }
  endpoint local_address() const override { return inner_->local_address(); }
  endpoint remote_address() const override { return inner_->remote_address(); }

 private:
  stream_ptr inner_;
  peer_identity peer_;
};

class handshake final : public stream_sink, public std::enable_shared_from_this<handshake> {
 public:
  handshake(key_book& keys, const wall_clock& wall, shard& on, stream_ptr raw, tls::provider::secured done)
      : keys_(keys), wall_(wall), on_(on), raw_(std::move(raw)), done_(std::move(done)) {}

  void begin(std::shared_ptr<const symbolic_server> server, std::shared_ptr<const symbolic_client> client, std::string nonce) {
    server_ = std::move(server);
    client_ = std::move(client);
    nonce_ = std::move(nonce);
    timer_ = on_.after(tls::handshake_limit, [self = shared_from_this()] {
      self->timer_ = 0;
      self->end(fail(errc::timeout, "the TLS handshake was not done in time"));
    });
    raw_->start(this);
    if (client_) say(introduce(client_->self, {{"server_name", client_->server_name}, {"nonce", nonce_}}, nonce_));
  }

  void on_data(std::string_view data) override {
    const auto self = shared_from_this();
    got_.append(data);
    while (raw_) {
      if (got_.size() < 4) return;
      std::size_t size = 0;
      for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(got_[static_cast<std::size_t>(i)]);
      if (size > hello_bytes_max) return end(fail(errc::closed, "TLS with the peer failed: wrong version number"));
      if (got_.size() < 4 + size) return;
      auto read = parse_json(std::string_view(got_).substr(4, size));
      got_.erase(0, 4 + size);
      if (!read || !read->is_object()) return end(fail(errc::closed, "TLS with the peer failed: bad record"));
      hear(*read);
    }
  }
  void on_closed(const error& why) override {
    const auto self = shared_from_this();
    end(why);
  }

 private:
  static json introduce(const party& self, json with, const std::string& nonce) {
    if (self.chain.empty()) return with;
    with["chain"] = self.chain;
    with["proof"] = key_book::sign(self.secret, nonce);
    return with;
  }
  void say(const json& what) {
    const auto text = to_text(what);
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(text.size() >> shift & 0xff));
    raw_->write(out + text);
  }
  std::optional<std::string> judge(const json& said, const std::string& nonce, const std::vector<json>& trust, std::string_view use,
                                   std::string_view name) {
    chain_.clear();
    for (const auto& each : dig(said, "chain").is_array() ? dig(said, "chain") : json::array()) chain_.push_back(each);
    if (auto why = distrust(keys_, chain_, trust, wall_.now(), use, name)) return why;
    if (!keys_.verify(text_or(dig(chain_.front(), "public_key")), nonce, text_or(dig(said, "proof")))) return "bad signature";
    return std::nullopt;
  }
  void refuse(const std::string& why) {
    say({{"alert", why}});
    end(fail(errc::untrusted, "the peer's certificate is refused: " + why));
  }

  void hear(const json& said) {
    if (said.contains("alert")) return end(fail(errc::untrusted, "TLS with the peer failed: alert " + text_or(said["alert"])));
    if (client_) {
      if (!client_->trust.empty()) {
        if (auto why = judge(said, nonce_, client_->trust, "server", client_->server_name)) return refuse(*why);
        identify();
      }
      say({{"finished", true}});
      return secure();
    }
    if (said.contains("finished") && greeted_) return secure();
    if (greeted_ || !said.contains("nonce")) return end(fail(errc::closed, "TLS with the peer failed: unexpected message"));
    greeted_ = true;
    const auto name = text_or(dig(said, "server_name"));
    if (!is_ip_address(name)) peer_.server_name = name;
    const auto nonce = text_or(dig(said, "nonce"));
    if (!server_->client_trust.empty() && said.contains("chain")) {
      if (auto why = judge(said, nonce, server_->client_trust, "client", "")) return refuse(*why);
      identify();
    }
    say(introduce(server_->self, json::object(), nonce));
  }
  void identify() {
    const auto& leaf = chain_.front();
    peer_.verified = true;
    peer_.common_name = text_or(dig(leaf, "common_name"));
    peer_.serial = text_or(dig(leaf, "serial"));
    if (const auto from = parse_rfc3339(text_or(dig(leaf, "not_before"))); from.ok()) peer_.not_before = *from;
    for (const auto& each : dig(leaf, "organizations").is_array() ? dig(leaf, "organizations") : json::array())
      peer_.organizations.push_back(text_or(each));
  }

  void secure() {
    on_.cancel(std::exchange(timer_, 0));
    raw_->start(nullptr);
    auto inner = http::with_prefix(on_, std::move(raw_), std::move(got_));
    const auto done = std::exchange(done_, nullptr);
    done(stream_ptr(std::make_unique<known_stream>(std::move(inner), std::move(peer_))));
  }
  void end(error why) {
    if (!raw_) return;
    on_.cancel(std::exchange(timer_, 0));
    raw_->close();
    raw_.reset();
    const auto done = std::exchange(done_, nullptr);
    if (done) done(std::move(why));
  }

  key_book& keys_;
  const wall_clock& wall_;
  shard& on_;
  stream_ptr raw_;
  tls::provider::secured done_;
  std::shared_ptr<const symbolic_server> server_;
  std::shared_ptr<const symbolic_client> client_;
  std::string nonce_, got_;
  std::vector<json> chain_;
  peer_identity peer_;
  timer_id timer_ = 0;
  bool greeted_ = false;
};

class symbolic_provider final : public tls::provider {
 public:
  symbolic_provider(key_book& keys, const wall_clock& wall, entropy& chance) : keys_(keys), wall_(wall), chance_(chance) {}

  result<std::shared_ptr<const tls::server_context>> make_server(const tls::server_options& with) override {
    auto self = read_party(keys_, with.self);
    if (!self) return self.why();
    auto out = std::make_shared<symbolic_server>();
    out->self = std::move(*self);
    out->client_trust = blocks(with.client_trust, "CERTIFICATE");
    if (!with.client_trust.empty() && out->client_trust.empty()) return fail(errc::invalid, "there is no certificate in the PEM text");
    return std::shared_ptr<const tls::server_context>(std::move(out));
  }
  result<std::shared_ptr<const tls::client_context>> make_client(const tls::client_options& with) override {
    auto out = std::make_shared<symbolic_client>();
    if (!with.self.empty()) {
      auto self = read_party(keys_, with.self);
      if (!self) return self.why();
      out->self = std::move(*self);
    }
    out->trust = blocks(with.trust, "CERTIFICATE");
    if (!with.trust.empty() && out->trust.empty()) return fail(errc::invalid, "there is no certificate in the PEM text");
    out->server_name = with.server_name;
    return std::shared_ptr<const tls::client_context>(std::move(out));
  }
  void accept(shard& on, stream_ptr raw, std::shared_ptr<const tls::server_context> as, secured done) override {
    std::make_shared<handshake>(keys_, wall_, on, std::move(raw), std::move(done))
        ->begin(std::static_pointer_cast<const symbolic_server>(std::move(as)), nullptr, {});
  }
  void connect(shard& on, stream_ptr raw, std::shared_ptr<const tls::client_context> as, secured done) override {
    std::make_shared<handshake>(keys_, wall_, on, std::move(raw), std::move(done))
        ->begin(nullptr, std::static_pointer_cast<const symbolic_client>(std::move(as)), to_hex(chance_.draw(8)));
  }

 private:
  key_book& keys_;
  const wall_clock& wall_;
  entropy& chance_;
};

}  // namespace

std::unique_ptr<tls::provider> make_symbolic_provider(key_book& keys, const wall_clock& wall, entropy& chance) {
  return std::make_unique<symbolic_provider>(keys, wall, chance);
}

}  // namespace troupe::net::sim
