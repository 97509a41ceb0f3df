#include "net/tls/session.hpp"

#include <openssl/err.h>

#include <cstring>

namespace troupe::net::tls {
namespace {

int bio_read(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  const int n = static_cast<session*>(BIO_get_data(bio))->take(into, size);
  if (n == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  return n;
}
int bio_write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  return static_cast<session*>(BIO_get_data(bio))->give({data, static_cast<std::size_t>(size)});
}
long bio_control(BIO*, int what, long, void*) { return what == BIO_CTRL_FLUSH ? 1 : 0; }
int bio_create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

const BIO_METHOD* carrier_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "carrier");
    BIO_meth_set_read(m, bio_read);
    BIO_meth_set_write(m, bio_write);
    BIO_meth_set_ctrl(m, bio_control);
    BIO_meth_set_create(m, bio_create);
    return m;
  }();
  return method;
}

bool is_about_trust(int reason) {
  switch (reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
      return true;
    default:
      return false;
  }
}

class tls_stream final : public stream {
 public:
  explicit tls_stream(std::shared_ptr<session> core) : core_(std::move(core)) {}
  ~tls_stream() override { core_->let_go(); }
  void start(stream_sink* sink) override { core_->start(sink); }
  using stream::write;
  void write(std::string_view data) override { core_->write(data); }
  std::size_t unsent() const override { return core_->unsent(); }
  void pause() override { core_->pause(); }
  void resume() override { core_->resume(); }
  void close() override { core_->close(); }
  const peer_identity& peer() const override { return core_->peer(); }
  endpoint local_address() const override { return core_->carrier()->local_address(); }
  endpoint remote_address() const override { return core_->carrier()->remote_address(); }

 private:
  std::shared_ptr<session> core_;
};

}  // namespace

session::session(shard& on, stream_ptr carrier, ssl_ptr ssl, std::shared_ptr<const void> context, bool server,
                 provider::secured done)
    : on_(on), carrier_(std::move(carrier)), ssl_(std::move(ssl)), context_(std::move(context)),
      done_(std::move(done)), server_(server) {
  BIO* bio = BIO_new(carrier_method());
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_.get(), bio, bio);
}

void session::begin() {
  timer_ = on_.after(handshake_limit, [self = shared_from_this()] {
    self->timer_ = 0;
    self->handshake_failed(fail(errc::timeout, "the TLS handshake was not done in time"));
  });
  carrier_->start(this);
  on_.post([self = shared_from_this()] {
    if (!self->over_) self->pump();
  });
}

int session::take(char* into, int size) {
  const auto n = std::min(static_cast<std::size_t>(size), in_.size());
  if (n > 0) std::memcpy(into, in_.data(), n);
  in_.remove_prefix(n);
  return static_cast<int>(n);
}

int session::give(std::string_view data) {
  if (!carrier_) return -1;
  carrier_->write(data);
  return static_cast<int>(data.size());
}

void session::on_data(std::string_view data) {
  const auto self = shared_from_this();
  if (over_ || closing_) return;
  if (kept_.empty()) {
    in_ = data;
  } else {
    kept_.append(data);
    in_ = kept_;
  }
  pump();
}

void session::pump() {
  if (pumping_) return;
  const auto self = shared_from_this();
  pumping_ = true;
  while (!over_ && !closing_) {
    if (shaking_ ? !shake() : !read_some()) break;
  }
  pumping_ = false;
  if (over_ || closing_) {
    in_ = {};
    kept_ = std::string();
    return;
  }
  if (in_.empty()) kept_ = std::string();
  else kept_ = std::string(in_);  // A copy first: in_ may point into kept_.
  in_ = {};
  if (carrier_end_ && kept_.empty() && (shaking_ || (sink_ && !paused_))) {
    auto why = *carrier_end_;
    if (shaking_) return handshake_failed(std::move(why));
    if (!goodbye_ && why.code == errc::closed) why.note += " without a TLS goodbye";
    return finish(std::move(why));
  }
  set_flow();
}

bool session::shake() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) {
    established();
    return true;
  }
  if (SSL_get_error(ssl_.get(), done) == SSL_ERROR_WANT_READ) return false;
  handshake_failed(refusal());
  return false;
}

error session::refusal() const {
  const int reason = ERR_GET_REASON(ERR_peek_last_error());
  const long verdict = SSL_get_verify_result(ssl_.get());
  if (reason == SSL_R_HTTP_REQUEST)
    carrier_->write("HTTP/1.0 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n"
                    "Client sent an HTTP request to an HTTPS server.\n");
  if (verdict != X509_V_OK && reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    ERR_clear_error();
    return fail(errc::untrusted, std::string("the peer's certificate is refused: ") +
                                     X509_verify_cert_error_string(verdict));
  }
  const auto words = openssl_reason();
  return fail(is_about_trust(reason) ? errc::untrusted : errc::closed, "TLS with the peer failed: " + words);
}

void session::established() {
  shaking_ = false;
  if (timer_ != 0) on_.cancel(std::exchange(timer_, 0));
  if (const X509* theirs = SSL_get0_peer_certificate(ssl_.get())) {
    read_subject(theirs, peer_);
    peer_.not_before = time_of(X509_get0_notBefore(theirs));
    peer_.verified = SSL_get_verify_mode(ssl_.get()) != SSL_VERIFY_NONE &&
                     SSL_get_verify_result(ssl_.get()) == X509_V_OK;
  }
  if (const char* name = server_ ? SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name) : nullptr)
    peer_.server_name = name;
  const auto done = std::exchange(done_, nullptr);
  done(stream_ptr(std::make_unique<tls_stream>(shared_from_this())));
}

void session::handshake_failed(error why) {
  if (over_) return;
  const auto self = shared_from_this();
  over_ = true;
  if (timer_ != 0) on_.cancel(std::exchange(timer_, 0));
  carrier_->close();  // What OpenSSL said to the peer (an alert) still leaves.
  carrier_.reset();
  const auto done = std::exchange(done_, nullptr);
  if (done) done(std::move(why));
}

bool session::read_some() {
  if (!sink_ || paused_) return false;
  char plain[SSL3_RT_MAX_PLAIN_LENGTH];
  ERR_clear_error();
  const int n = SSL_read(ssl_.get(), plain, sizeof plain);
  if (n > 0) {
    sink_->on_data({plain, static_cast<std::size_t>(n)});
    return true;
  }
  switch (SSL_get_error(ssl_.get(), n)) {
    case SSL_ERROR_WANT_READ: return false;
    case SSL_ERROR_ZERO_RETURN:
      goodbye_ = true;
      carrier_->close();
      finish(fail(errc::closed, "the peer ended"));
      return false;
    default:
      auto why = refusal();
      carrier_->close();
      finish(std::move(why));
      return false;
  }
}

void session::start(stream_sink* sink) {
  sink_ = sink;
  if (sink_) pump_later();
  set_flow();
}

void session::pump_later() {
  if (posted_ || pumping_ || (over_ && told_)) return;
  posted_ = true;
  on_.post([self = shared_from_this()] {
    self->posted_ = false;
    if (self->over_) return self->deliver_end();
    self->in_ = self->kept_;
    self->pump();
  });
}

void session::set_flow() {
  if (!carrier_ || over_ || closing_) return;
  if (shaking_ || (sink_ && !paused_)) carrier_->resume();
  else carrier_->pause();
}

void session::write(std::string_view data) {
  if (over_ || closing_ || shaking_) return;
  while (!data.empty()) {
    ERR_clear_error();
    std::size_t n = 0;
    if (SSL_write_ex(ssl_.get(), data.data(), data.size(), &n) != 1) {
      auto why = fail(errc::closed, "TLS cannot write: " + openssl_reason());
      on_.post([self = shared_from_this(), why = std::move(why)] { self->finish(why); });
      return;
    }
    data.remove_prefix(n);
  }
}

void session::pause() {
  paused_ = true;
  set_flow();
}

void session::resume() {
  if (!paused_) return;
  paused_ = false;
  pump_later();
  set_flow();
}

void session::close() {
  if (over_ || closing_) return;
  closing_ = true;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());  // Our goodbye; theirs is not waited for.
  ERR_clear_error();
  carrier_->resume();
  carrier_->close();
}

void session::let_go() {
  const auto self = shared_from_this();
  sink_ = nullptr;
  over_ = true;
  end_.reset();
  carrier_.reset();  // Aborts, or goes on alone when closing.
}

void session::on_drained() {
  const auto self = shared_from_this();
  if (sink_ && !over_) sink_->on_drained();
}

void session::on_closed(const error& why) {
  const auto self = shared_from_this();
  if (over_) return;
  if (closing_) return finish(why);
  carrier_end_ = why;
  if (kept_.empty()) in_ = {};
  else in_ = kept_;
  pump();
}

void session::finish(error why) {
  if (over_) return;
  over_ = true;
  end_ = std::move(why);
  deliver_end();
}

void session::deliver_end() {
  if (told_ || !sink_ || !end_) return;
  told_ = true;
  sink_->on_closed(*end_);
}

}  // namespace troupe::net::tls
