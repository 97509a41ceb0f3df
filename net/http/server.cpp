#include "net/http/server.hpp"

#include "net/http/parser.hpp"
#include "net/http/prefixed.hpp"
#include "net/http/wire.hpp"

namespace troupe::net::http {
namespace {

constexpr std::size_t pending_max = 64 * 1024;        // read ahead while a request is being answered
constexpr std::size_t joined_body_max = 64 * 1024;    // up to here head and body are one write

class one_exchange;

class core final : public stream_sink, public std::enable_shared_from_this<core> {
 public:
  core(shard& on, stream_ptr stream, std::shared_ptr<const server_config> config)
      : shard_(on), stream_(std::move(stream)), config_(std::move(config)), parser_(parser_side::requests) {}

  void begin() {
    limit(idle_limit);
    arm();
    stream_->start(this);
  }
  /// The holder is gone.
  void forget() {
    config_ = nullptr;
    finish({errc::closed, "closed here"});
  }
  void drain() {
    draining_ = true;
    if (!busy_ && !over_ && !parser_.begun()) stream_->close();
  }

  void on_data(std::string_view data) override {
    if (over_) return;   // until the loop's next turn the stream is there, and may still bring something
    const auto keep = shared_from_this();
    const in_use mark(*this);
    if (!busy_ && pending_.empty()) return read(data);
    pending_.append(data);
    if (pending_.size() > pending_max && !std::exchange(held_, true)) stream_->pause();
  }
  void on_drained() override;
  void on_closed(const error& why) override {
    const auto keep = shared_from_this();
    const in_use mark(*this);
    finish(why);
  }

  // From the exchange that is being answered:
  void send(std::string text) {
    stream_->write(text);
    if (stream_->unsent() > config_->unsent_max) cut();
  }
  void send(const bytes& data) {
    stream_->write(data);
    if (stream_->unsent() > config_->unsent_max) cut();
  }
  void let_flow() {
    if (std::exchange(held_, false)) stream_->resume();
  }
  void cut() { finish({errc::overloaded, "the client does not take its answer"}); }
  void answered() {
    busy_ = false;
    if (close_after_ || draining_) return stream_->close();
    limit(idle_limit);
    if (pending_.empty()) return let_flow();
    shard_.post([me = shared_from_this()] {
      if (me->busy_ || me->over_) return;
      const in_use mark(*me);
      const auto data = std::exchange(me->pending_, {});
      me->read(data);
      // It may end amid a request whose rest is still to come, also when the stream was paused only just now.
      if (!me->over_ && !me->busy_) me->let_flow();
    });
  }
  void add_date(std::string& to) const {
    if (config_ && config_->wall != nullptr) append_field(to, "date", http_date(config_->wall->now()));
  }
  bool closes() const { return close_after_ || draining_; }
  stream_ptr release() {
    stream_->start(nullptr);  // What still comes is for whoever takes over, and waits for them.
    let_flow();
    auto out = with_prefix(shard_, std::move(stream_), std::exchange(pending_, {}));
    finish({errc::closed, "upgraded"});
    return out;
  }
  std::size_t unsent() const { return stream_ ? stream_->unsent() : 0; }
  bool open() const { return stream_ != nullptr && !over_; }

 private:
  struct in_use {
    explicit in_use(core& c) : of(c) { ++of.inside_; }
    ~in_use() { --of.inside_; }
    core& of;
  };

  void read(std::string_view data) {
    while (!over_ && !busy_) {
      const bool fresh = !parser_.begun();
      auto got = parser_.feed(data);
      data.remove_prefix(got.consumed);
      if (fresh && parser_.begun()) limit(head_limit);
      switch (got.what) {
        case parsed::event::more: return;
        case parsed::event::head:
          if (!begin_request()) return;
          break;
        case parsed::event::body:
          if (request_.body.size() + got.data.size() > config_->body_max) return refuse(413, too_large());
          request_.body.append(got.data);
          break;
        case parsed::event::complete: dispatch(data); return;
        case parsed::event::failed: return refuse(parser_.status(), parser_.why());
      }
    }
  }
  std::string too_large() const { return "the body is larger than " + std::to_string(config_->body_max) + " bytes"; }

  bool begin_request() {
    request_ = {};
    request_.method = parser_.method();
    const auto& target = parser_.target();
    const auto mark = target.find('?');
    request_.path = target.substr(0, mark);
    if (mark != std::string::npos) request_.query = target.substr(mark + 1);
    request_.headers = std::move(parser_.headers());
    request_.peer = stream_->peer();
    request_.remote = stream_->remote_address();
    request_.local = stream_->local_address();
    close_after_ = !parser_.keep_alive();
    old_client_ = parser_.old_version();
    if (!parser_.chunked() && parser_.length() > config_->body_max) return refuse(413, too_large()), false;
    limit(body_limit);
    if (parser_.expects_continue()) stream_->write("HTTP/1.1 100 Continue\r\n\r\n");
    return true;
  }

  void dispatch(std::string_view rest);

  void refuse(int status, const std::string& why) {
    auto answer = config_->on_error ? config_->on_error(status, why) : response{status, {}, bytes(why + "\n")};
    std::string text;
    append_status_line(text, answer.status);
    append_fields(text, answer.headers);
    add_date(text);
    text.append("connection: close\r\ncontent-length: ").append(std::to_string(answer.body.size())).append("\r\n\r\n");
    text.append(answer.body.view());
    busy_ = true;  // nothing more is read
    stream_->write(text);
    stream_->close();
    limit(std::chrono::seconds(5));
  }

  // One timer per connection: it looks at the deadline when it fires and sleeps on if that has moved.
  void limit(duration span) {
    deadline_ = shard_.now() + span;
    if (timer_ == 0 || deadline_ >= alarm_) return;
    shard_.cancel(std::exchange(timer_, 0));  // It would look too late.
    arm();
  }
  void arm() {
    const auto wait = std::max<duration>(deadline_ - shard_.now(), std::chrono::milliseconds(10));
    alarm_ = shard_.now() + wait;
    timer_ = shard_.after(wait, [weak = weak_from_this()] {
      const auto me = weak.lock();
      if (!me || me->over_) return;
      me->timer_ = 0;
      if (me->shard_.now() >= me->deadline_) me->expire();
      if (!me->over_) me->arm();
    });
  }
  void expire() {
    if (busy_) {
      if (!answering_) return finish({errc::timeout, "the client did not close"});
      return limit(idle_limit);  // an answer takes as long as it takes; its own limits are elsewhere
    }
    if (parser_.begun()) return refuse(408, "the request did not arrive in time");
    stream_->close();
    busy_ = true;
    answering_ = false;
    limit(std::chrono::seconds(5));
  }

  void finish(const error& why);

  shard& shard_;
  stream_ptr stream_;
  std::shared_ptr<const server_config> config_;
  parser parser_;
  request request_;
  std::string pending_;
  std::weak_ptr<one_exchange> exchange_;
  mono_time deadline_{}, alarm_{};
  timer_id timer_ = 0;
  int inside_ = 0;
  bool busy_ = false, answering_ = false, close_after_ = false, draining_ = false, held_ = false, old_client_ = false, over_ = false;
  friend class one_exchange;
};

class one_exchange final : public exchange {
 public:
  one_exchange(std::weak_ptr<core> of, bool head_only, bool old_client) : core_(std::move(of)), head_only_(head_only), old_client_(old_client) {}
  ~one_exchange() override {
    if (state_ != state::done)
      if (auto c = live()) c->cut();   // nobody is left who could answer
  }

  bool open() const override { return state_ != state::done && live() != nullptr; }

  void respond(response answer) override {
    auto c = live();
    if (!c || state_ != state::waiting) return;
    const bool bodyless = answer.status == 304 || answer.status == 204;
    std::string text = head(*c, answer.status, answer.headers);
    if (!bodyless) text.append("content-length: ").append(std::to_string(answer.body.size())).append("\r\n");
    text.append("\r\n");
    const bool separate = answer.body.size() > joined_body_max;
    if (!head_only_ && !bodyless && !separate) text.append(answer.body.view());
    state_ = state::done;
    c->send(std::move(text));
    if (c->open() && separate && !head_only_) c->send(answer.body);
    if (c->open()) c->answered();
  }

  void start(int status, header_list headers) override {
    auto c = live();
    if (!c || state_ != state::waiting) return;
    state_ = state::streaming;
    if (old_client_) c->close_after_ = true;
    std::string text = head(*c, status, headers);
    text.append(old_client_ ? "\r\n" : "transfer-encoding: chunked\r\n\r\n");
    c->send(std::move(text));
  }

  void chunk(std::string_view data) override {
    auto c = live();
    if (!c || state_ != state::streaming || data.empty() || head_only_) return;
    if (old_client_) return c->send(std::string(data));
    char size[24];
    const int n = std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    std::string text;
    text.reserve(data.size() + 32);
    text.append(size, static_cast<std::size_t>(n)).append(data).append("\r\n");
    c->send(std::move(text));
  }

  void finish() override {
    auto c = live();
    if (!c || state_ != state::streaming) return;
    state_ = state::done;
    if (!old_client_ && !head_only_) c->send(std::string("0\r\n\r\n"));
    if (c->open()) c->answered();
  }

  void abort() override {
    if (auto c = live()) c->cut();
  }

  stream_ptr upgrade(int status, header_list headers) override {
    auto c = live();
    if (!c || state_ != state::waiting) return nullptr;
    state_ = state::done;
    std::string text;
    append_status_line(text, status);
    append_fields(text, headers);
    text.append("\r\n");
    c->send(std::move(text));
    return c->open() ? c->release() : nullptr;
  }

  std::size_t unsent() const override {
    const auto c = live();
    return c ? c->unsent() : 0;
  }
  void on_drained(task then) override { drained_ = std::move(then); }
  void on_gone(task then) override { gone_ = std::move(then); }

  void tell_drained() {
    if (auto then = std::move(drained_)) then();
  }
  void tell_gone() {
    const bool told = state_ != state::done;
    state_ = state::done;
    drained_ = nullptr;
    if (auto then = std::move(gone_); then && told) then();
  }

 private:
  enum class state : std::uint8_t { waiting, streaming, done };
  std::shared_ptr<core> live() const {
    auto c = core_.lock();
    return c && c->open() ? c : nullptr;
  }
  std::string head(const core& c, int status, const header_list& headers) const {
    std::string text;
    text.reserve(256);
    append_status_line(text, status);
    append_fields(text, headers);
    c.add_date(text);
    if (c.closes()) text.append("connection: close\r\n");
    else if (old_client_) text.append("connection: keep-alive\r\n");
    return text;
  }
  std::weak_ptr<core> core_;
  state state_ = state::waiting;
  bool head_only_, old_client_;
  task drained_, gone_;
};

void core::dispatch(std::string_view rest) {
  pending_.assign(rest);
  busy_ = answering_ = true;
  const bool old_client = old_client_;
  auto made = std::make_shared<one_exchange>(weak_from_this(), request_.method == "HEAD", old_client);
  exchange_ = made;
  limit(idle_limit);
  const auto config = config_;
  config->on_request(std::exchange(request_, {}), std::move(made));
}

void core::on_drained() {
  const auto keep = shared_from_this();
  const in_use mark(*this);
  if (auto e = exchange_.lock()) e->tell_drained();
}

void core::finish(const error&) {
  if (std::exchange(over_, true)) return;
  const auto keep = shared_from_this();
  shard_.cancel(std::exchange(timer_, 0));
  if (auto e = exchange_.lock()) e->tell_gone();
  // We may stand inside a call of the stream, or inside our holder's.
  shard_.post([keep] {
    keep->stream_.reset();
    if (const auto config = std::move(keep->config_); config && config->on_end) config->on_end();
  });
}

class handle final : public server_connection {
 public:
  explicit handle(std::shared_ptr<core> c) : core_(std::move(c)) {}
  ~handle() override { core_->forget(); }
  void drain() override { core_->drain(); }

 private:
  std::shared_ptr<core> core_;
};

}  // namespace

std::unique_ptr<server_connection> serve(shard& on, stream_ptr stream, std::shared_ptr<const server_config> config) {
  auto c = std::make_shared<core>(on, std::move(stream), std::move(config));
  c->begin();
  return std::make_unique<handle>(std::move(c));
}

}  // namespace troupe::net::http
