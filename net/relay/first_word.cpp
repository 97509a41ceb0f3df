#include "net/relay/first_word.hpp"

#include <utility>

namespace troupe::net {
namespace {

class waiting final : public std::enable_shared_from_this<waiting> {
 public:
  waiting(shard& on, stream_ptr client, stream_ptr server, std::string said, callback<void(word_outcome)> done)
      : shard_(on), said_(std::move(said)), done_(std::move(done)) {
    client_.owner = server_.owner = this;
    client_.stream = std::move(client);
    server_.stream = std::move(server);
  }
  void begin() {
    const auto keep = shared_from_this();
    timer_ = shard_.after(first_word_limit, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      self->timer_ = 0;
      self->settle(end::spliced, {});
    });
    if (!said_.empty()) server_.stream->write(said_);
    server_.stream->start(&server_);
    client_.stream->start(&client_);
  }
  void give_up(error why) { settle(end::silent, std::move(why)); }
  void forget() {
    done_ = nullptr;
    stop_timer();
    // We may stand inside a call of one of the streams.
    shard_.post([me = shared_from_this()] { me->client_.stream.reset(), me->server_.stream.reset(); });
  }

 private:
  enum class end : std::uint8_t { open, spliced, silent, left };
  struct side final : stream_sink {
    void on_data(std::string_view data) override { owner->carry(*this, data); }
    void on_closed(const error& why) override { owner->closed(*this, why); }
    waiting* owner = nullptr;
    stream_ptr stream;
  };

  void carry(side& from, std::string_view data) {
    if (&from == &client_) {
      if (end_ != end::spliced) said_.append(data);
      if (end_ != end::silent) server_.stream->write(data);
      if (said_.size() > said_bytes_max) settle(end::spliced, {});
      return;
    }
    if (end_ == end::silent) return;   // given up: a late word reaches nobody
    client_.stream->write(data);
    settle(end::spliced, {});
  }
  void closed(side& from, const error& why) { settle(&from == &client_ ? end::left : end::silent, why); }

  void settle(end how, error why) {
    if (end_ != end::open) return;
    end_ = how;
    stop_timer();
    if (client_.stream) client_.stream->pause();
    shard_.post([me = shared_from_this(), why = std::move(why)]() mutable { me->hand_over(std::move(why)); });
  }
  void hand_over(error why) {
    const auto done = std::exchange(done_, nullptr);
    if (!done) return;
    word_outcome out;
    out.why = std::move(why);
    if (end_ != end::left) {
      client_.stream->start(nullptr);
      client_.stream->resume();
      out.client = std::move(client_.stream);
    }
    if (end_ == end::spliced) {
      server_.stream->start(nullptr);
      out.server = std::move(server_.stream);
    }
    if (end_ == end::silent) out.said = std::move(said_);
    client_.stream.reset();
    server_.stream.reset();
    done(std::move(out));
  }
  void stop_timer() {
    if (timer_ != 0) shard_.cancel(std::exchange(timer_, 0));
  }

  shard& shard_;
  side client_, server_;
  std::string said_;
  callback<void(word_outcome)> done_;
  timer_id timer_ = 0;
  end end_ = end::open;
};

class handle final : public first_word {
 public:
  explicit handle(std::shared_ptr<waiting> w) : waiting_(std::move(w)) {}
  ~handle() override { waiting_->forget(); }
  void give_up(error why) override { waiting_->give_up(std::move(why)); }

 private:
  std::shared_ptr<waiting> waiting_;
};

}  // namespace

std::unique_ptr<first_word> await_first_word(shard& on, stream_ptr client, stream_ptr server, std::string said, callback<void(word_outcome)> done) {
  auto both = std::make_shared<waiting>(on, std::move(client), std::move(server), std::move(said), std::move(done));
  both->begin();
  return std::make_unique<handle>(std::move(both));
}

}  // namespace troupe::net
