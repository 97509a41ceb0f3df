#include "net/http/client.hpp"

#include "net/http/parser.hpp"
#include "net/http/prefixed.hpp"
#include "net/http/wire.hpp"

namespace troupe::net::http {
namespace {

constexpr std::size_t refusal_body_max = 64 * 1024;
using upgraded = callback<void(result<std::pair<response, stream_ptr>>)>;

class core final : public stream_sink, public std::enable_shared_from_this<core> {
 public:
  core(shard& on, stream_ptr stream) : shard_(on), stream_(std::move(stream)), parser_(parser_side::responses) {}
  void begin() { stream_->start(this); }

  bool open() const { return stream_ != nullptr && !over_; }
  bool idle() const { return open() && !active_; }

  void send(const request& ask, std::string_view host, duration patience, answer_sink to, upgraded upgrade = {}) {
    if (!idle()) {
      auto shared = std::make_shared<answer_sink>(std::move(to));
      auto up = std::make_shared<upgraded>(std::move(upgrade));
      return shard_.post([shared, up] {
        if (*up) (*up)(result<std::pair<response, stream_ptr>>(errc::closed, "the connection is closed"));
        else if (shared->on_end) shared->on_end(result<void>(errc::closed, "the connection is closed"));
      });
    }
    active_ = true;
    head_only_ = ask.method == "HEAD";
    tunnel_ = ask.method == "CONNECT";
    to_ = std::move(to);
    upgrade_ = std::move(upgrade);
    timer_ = shard_.after(patience, [weak = weak_from_this()] {
      if (auto me = weak.lock(); me && !me->over_) me->timer_ = 0, me->end({errc::timeout, "no answer in time"});
    });
    stream_->write(render(ask, host));
  }

  void hold(bool back) {
    if (!stream_ || over_) return;
    back ? stream_->pause() : stream_->resume();
  }

  void forget() {
    to_ = {};
    upgrade_ = nullptr;
    closed_ = nullptr;
    end({errc::closed, "closed here"});
  }

  void on_data(std::string_view data) override {
    const auto keep = shared_from_this();
    while (!over_ && active_) {
      const auto got = parser_.feed(data);
      data.remove_prefix(got.consumed);
      switch (got.what) {
        case parsed::event::more: return;
        case parsed::event::head:
          if (take_head(data)) return;
          break;
        case parsed::event::body: take_body(got.data); break;
        case parsed::event::complete:
          if (!skipping_) complete();
          skipping_ = false;
          break;
        case parsed::event::failed: return end({errc::invalid, "what answers does not speak HTTP: " + parser_.why()});
      }
    }
    // Bytes that nobody asked for: the other side is confused, and so would be the next answer.
    if (!over_ && !data.empty()) end({errc::invalid, "an answer without a question"});
  }
  void on_drained() override {}
  void on_closed(const error& why) override {
    const auto keep = shared_from_this();
    if (active_ && parser_.end_of_stream()) complete();
    end(why);
  }

  callback<void()> closed_;

 private:
  static std::string render(const request& ask, std::string_view host) {
    std::string text;
    text.reserve(512 + ask.body.size());
    text.append(ask.method).append(" ").append(ask.path);
    if (!ask.query.empty()) text.append("?").append(ask.query);
    text.append(" HTTP/1.1\r\n");
    if (!ask.headers.find("host")) append_field(text, "host", host);
    append_fields(text, ask.headers);
    if (!ask.headers.find("content-length") && (!ask.body.empty() || ask.method == "POST" || ask.method == "PUT" || ask.method == "PATCH"))
      text.append("content-length: ").append(std::to_string(ask.body.size())).append("\r\n");
    text.append("\r\n").append(ask.body);
    return text;
  }

  /// True when the stream is ours no longer.
  bool take_head(std::string_view rest) {
    const int status = parser_.status();
    if (status / 100 == 1 && status != 101) return skipping_ = true, false;
    shard_.cancel(std::exchange(timer_, 0));
    if (upgrade_) {
      if (status == 101 || (tunnel_ && status == 200)) return hand_over(status, rest), true;
      refusal_ = std::to_string(status) + ": ";
      refused_ = status;
      return false;
    }
    if (head_only_) parser_.no_body();
    if (to_.on_head) to_.on_head(status, parser_.headers());
    return false;
  }

  void hand_over(int status, std::string_view rest) {
    auto done = std::move(upgrade_);
    response head{status, std::move(parser_.headers()), {}};
    over_ = true;
    active_ = false;
    stream_->start(nullptr);  // The rest is for whoever takes over, and waits for them.
    auto stream = with_prefix(shard_, std::move(stream_), std::string(rest));
    done(std::pair<response, stream_ptr>(std::move(head), std::move(stream)));
  }

  void take_body(std::string_view data) {
    if (refused_) return void(refusal_.append(data.substr(0, refusal_body_max - std::min(refusal_body_max, refusal_.size()))));
    if (to_.on_data) to_.on_data(data);
  }

  void complete() {
    const bool keep_alive = parser_.keep_alive();
    active_ = false;
    if (refused_) {
      const auto code = refused_ == 401 ? errc::unauthorized : refused_ == 403 ? errc::forbidden : errc::unavailable;
      refused_ = 0;
      auto done = std::move(upgrade_);
      close_quietly();
      return done(result<std::pair<response, stream_ptr>>(code, std::move(refusal_)));
    }
    auto done = std::move(to_.on_end);
    to_ = {};
    if (!keep_alive) close_quietly();
    if (done) done(result<void>());
  }

  void close_quietly() {
    over_ = true;
    shard_.post([me = shared_from_this()] { me->stream_.reset(); });
  }

  void end(const error& why) {
    if (over_) return;
    over_ = true;
    shard_.cancel(std::exchange(timer_, 0));
    const bool was = std::exchange(active_, false);
    shard_.post([me = shared_from_this()] { me->stream_.reset(); });
    if (auto up = std::move(upgrade_); up && was) return up(result<std::pair<response, stream_ptr>>(why));
    auto done = std::move(to_.on_end);
    to_ = {};
    if (was && done) return done(result<void>(why));
    if (auto told = std::move(closed_)) told();
  }

  shard& shard_;
  stream_ptr stream_;
  parser parser_;
  answer_sink to_;
  upgraded upgrade_;
  std::string refusal_;
  timer_id timer_ = 0;
  int refused_ = 0;
  bool active_ = false, over_ = false, head_only_ = false, tunnel_ = false, skipping_ = false;
};

class handle final : public client_connection {
 public:
  explicit handle(std::shared_ptr<core> c) : core_(std::move(c)) {}
  ~handle() override { core_->forget(); }
  bool idle() const override { return core_->idle(); }
  bool open() const override { return core_->open(); }
  void send(const request& ask, std::string_view host, duration patience, answer_sink to) override {
    core_->send(ask, host, patience, std::move(to));
  }
  void upgrade(const request& ask, std::string_view host, duration patience, upgraded done) override {
    core_->send(ask, host, patience, {}, std::move(done));
  }
  void pause() override { core_->hold(true); }
  void resume() override { core_->hold(false); }
  void on_closed(task then) override { core_->closed_ = std::move(then); }

 private:
  std::shared_ptr<core> core_;
};

}  // namespace

std::unique_ptr<client_connection> attach(shard& on, stream_ptr stream) {
  auto c = std::make_shared<core>(on, std::move(stream));
  c->begin();
  return std::make_unique<handle>(std::move(c));
}

void fetch(client_connection& connection, const request& ask, std::string_view host, duration patience,
           callback<void(result<response>)> done, std::size_t body_max) {
  struct collected {
    response answer;
    std::string body;
    bool too_large = false;
    callback<void(result<response>)> done;
  };
  auto all = std::make_shared<collected>();
  all->done = std::move(done);
  answer_sink to;
  to.on_head = [all](int status, header_list headers) {
    all->answer.status = status;
    all->answer.headers = std::move(headers);
  };
  to.on_data = [all, body_max](std::string_view data) {
    if (all->body.size() + data.size() > body_max) all->too_large = true;
    else all->body.append(data);
  };
  to.on_end = [all](result<void> how) {
    if (!how.ok()) return all->done(result<response>(how.why()));
    if (all->too_large) return all->done(result<response>(errc::too_large, "the answer is too large"));
    all->answer.body = bytes(std::move(all->body));
    all->done(result<response>(std::move(all->answer)));
  };
  connection.send(ask, host, patience, std::move(to));
}

}  // namespace troupe::net::http
