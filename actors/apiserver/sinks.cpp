#include "actors/apiserver/sinks.hpp"

#include <caf/send.hpp>

namespace troupe::apiserver {
namespace {

class http_sink final : public watch_sink {
 public:
  explicit http_sink(net::http::exchange_ptr to) : to_(std::move(to)) {}
  void line(const bytes& text) override { to_->chunk(text.view()); }
  std::size_t unsent() const override { return to_->unsent(); }
  void end(bool in_order, std::string_view) override {
    if (in_order) to_->finish();
    else to_->abort();
  }

 private:
  net::http::exchange_ptr to_;
};

class local_sink final : public watch_sink {
 public:
  local_sink(std::uint64_t number, client::watcher_actor to) : number_(number), to_(std::move(to)) {}
  void line(const bytes&) override {}
  bool wants_objects() const override { return true; }
  void event(std::string_view type, const std::shared_ptr<const json>& object) override {
    caf::anon_send(to_, client::watch_event{number_, std::string(type), object});
  }
  std::size_t unsent() const override { return 0; }
  void end(bool, std::string_view why) override {
    event("CLOSED", std::make_shared<const json>(json{{"message", why}}));
  }

 private:
  std::uint64_t number_;
  client::watcher_actor to_;
};

class local_exchange final : public net::http::exchange {
 public:
  explicit local_exchange(std::function<void(client::api_answer)> done) : done_(std::move(done)) {}
  ~local_exchange() override { settle(504, "the answer was lost"); }   // it may have been done
  bool open() const override { return static_cast<bool>(done_); }
  void respond(net::http::response answer) override {
    warning_ = answer.headers.get("warning");
    settle(answer.status, answer.body.str());
  }
  void start(int status, net::http::header_list headers) override {
    status_ = status;
    warning_ = headers.get("warning");
  }
  void chunk(std::string_view data) override { text_.append(data); }
  void finish() override { settle(status_, std::move(text_)); }
  void abort() override { settle(504, "the answer was cut"); }
  net::stream_ptr upgrade(int, net::http::header_list) override { return nullptr; }
  std::size_t unsent() const override { return 0; }
  void on_drained(task then) override { then(); }
  void on_gone(task) override {}

 private:
  void settle(int status, std::string body) {
    if (auto done = std::exchange(done_, nullptr)) done({status, std::move(body), std::move(warning_)});
  }
  std::function<void(client::api_answer)> done_;
  int status_ = 500;
  std::string text_, warning_;
};

}  // namespace

std::unique_ptr<watch_sink> make_http_sink(net::http::exchange_ptr to) { return std::make_unique<http_sink>(std::move(to)); }
std::unique_ptr<watch_sink> make_local_sink(std::uint64_t number, client::watcher_actor to) {
  return std::make_unique<local_sink>(number, std::move(to));
}
net::http::exchange_ptr make_local_exchange(std::function<void(client::api_answer)> done) {
  return std::make_shared<local_exchange>(std::move(done));
}

}  // namespace troupe::apiserver
