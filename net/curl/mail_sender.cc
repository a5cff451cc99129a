// SPDX-License-Identifier: Apache-2.0
//
// Each mail is one SMTP session on a thread of the sender's own. curl's multi interface would not
// do: at the end of a message it waits inside the call for the server's reply, and a transfer taken
// out early ends its message as if it were complete.
#include "net/mail_sender.h"

#include <atomic>

#include "base/check.h"
#include "base/gate.h"
#include "net/curl.h"
#include "net/curl/options.h"

namespace tocsin::net {
namespace {

constexpr std::size_t kThreads = 4;
constexpr std::size_t kMaxWaiting = 1000;
constexpr std::size_t kMaxReplyBytes = 1024;

bool is_local(std::string_view host) {
  return host == "localhost" || host == "127.0.0.1" || host == "::1" || host == "[::1]";
}

// Whether `text` may stand in a command: nothing that ends it or its brackets.
bool is_safe(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '<' || c == '>';
  });
}

bool is_refusal(std::string_view reply) { return reply.starts_with('4') || reply.starts_with('5'); }

// One mail, confined to its thread. Borrows: the mail, the flag.
class MailSession {
 public:
  MailSession(const Mail& mail, const std::atomic<bool>& stopping)
      : mail_(mail), stopping_(stopping) {}

  // Blocks until the server has the mail or `deadline`, measured from `now`.
  Status run(base::SteadyTime now, base::SteadyTime deadline);

 private:
  // CRAM-MD5 has a secret of its own, so it is tried alone; the others follow if the server lacks
  // it.
  enum class Login { kNone, kCramMd5, kPassword };

  Status attempt(CURL* easy);
  Status configure(CURL* easy);
  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t);
  static std::size_t on_read(char* out, std::size_t size, std::size_t count, void* self);
  static std::size_t on_reply(char* data, std::size_t size, std::size_t count, void* self);
  Status check() const;
  Status set_login(CURL* easy);
  void set_message(CURL* easy);
  bool has_tls() const { return mail_.server.implicit_tls || mail_.server.require_tls; }
  std::string address() const;
  Status failure(CURL* easy, CURLcode code) const;
  Status refused() const;

  const Mail& mail_;
  const std::atomic<bool>& stopping_;
  base::Duration time_left_{0};
  std::string password_;
  std::string cram_secret_;
  Login login_ = Login::kNone;
  bool cram_failed_ = false;
  std::size_t sent_bytes_ = 0;
  std::string reply_;  // the server's last line
  CurlList recipients_;
  CurlList connect_to_;
  std::array<char, CURL_ERROR_SIZE> error_text_{};
};

Status MailSession::run(base::SteadyTime now, base::SteadyTime deadline) {
  time_left_ = std::chrono::duration_cast<base::Duration>(deadline - now);
  if (stopping_) return cancelled("the mail sender is stopped");
  if (time_left_.count() <= 0) return deadline_exceeded("context deadline exceeded");
  RETURN_IF_ERROR(check());
  ASSIGN_OR_RETURN(password_, read_secret(mail_.server.password, "SMTP password file"));
  ASSIGN_OR_RETURN(cram_secret_, read_secret(mail_.server.cram_secret, "SMTP secret file"));
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy(curl_easy_init(),
                                                                 curl_easy_cleanup);
  CHECK(easy != nullptr);
  Status status = attempt(easy.get());
  if (cram_failed_) {
    curl_easy_reset(easy.get());
    status = attempt(easy.get());
  }
  return status;
}

Status MailSession::attempt(CURL* easy) {
  RETURN_IF_ERROR(configure(easy));
  const CURLcode code = curl_easy_perform(easy);
  if (stopping_) return cancelled("the mail sender is stopped");
  if (code == CURLE_OK) return ok();
  cram_failed_ = code == CURLE_LOGIN_DENIED && login_ == Login::kCramMd5 && !password_.empty() &&
                 !is_refusal(reply_);
  return annotate(failure(easy, code), "send mail through {}", address());
}

std::string MailSession::address() const {
  Url url;
  url.host = mail_.server.host;
  url.port = mail_.server.port;
  return url.authority();
}

Status MailSession::check() const {
  const SmtpServer& server = mail_.server;
  if (server.host.empty() || !is_safe(server.host)) {
    return invalid_argument("invalid SMTP host {:?}", server.host);
  }
  if (!is_safe(server.hello)) return invalid_argument("invalid hello {:?}", server.hello);
  if (!is_safe(mail_.from)) return invalid_argument("invalid sender {:?}", mail_.from);
  if (mail_.recipients.empty()) return invalid_argument("a mail needs a recipient");
  for (const std::string& recipient : mail_.recipients) {
    if (recipient.empty() || !is_safe(recipient)) {
      return invalid_argument("invalid recipient {:?}", recipient);
    }
  }
  return ok();
}

Status MailSession::configure(CURL* easy) {
  RETURN_IF_ERROR(set_login(easy));
  RETURN_IF_ERROR(apply_tls(easy, mail_.server.tls));
  set_message(easy);
  const SmtpServer& server = mail_.server;
  Url url;
  url.scheme = server.implicit_tls ? "smtps" : "smtp";
  url.host = server.host;
  url.port = server.port;
  if (has_tls()) url.host = apply_server_name(easy, server.tls, url, &connect_to_);
  url.path = "/" + url_encode(server.hello);
  curl_easy_setopt(easy, CURLOPT_URL, url.to_string().c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(easy, CURLOPT_USE_SSL,
                   static_cast<long>(server.require_tls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(time_left_.count()));
  // The goodbye is outside curl's own timeout.
  curl_easy_setopt(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT,
                   static_cast<long>(std::chrono::ceil<std::chrono::seconds>(time_left_).count()));
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, &MailSession::on_progress);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, this);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  error_text_[0] = '\0';
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text_.data());
  return ok();
}

int MailSession::on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<MailSession*>(self)->stopping_ ? 1 : 0;
}

Status MailSession::set_login(CURL* easy) {
  login_ = Login::kNone;
  if (mail_.server.username.empty()) return ok();
  if (!cram_secret_.empty() && !cram_failed_) {
    login_ = Login::kCramMd5;
  } else if (!password_.empty()) {
    login_ = Login::kPassword;
    if (!has_tls() && !is_local(mail_.server.host)) {
      return failed_precondition("unencrypted connection: refusing to send the password to {}",
                                 address());
    }
  } else {
    return failed_precondition("no usable AUTH mechanism: neither password nor secret is set");
  }
  const bool cram = login_ == Login::kCramMd5;
  curl_easy_setopt(easy, CURLOPT_LOGIN_OPTIONS, cram ? "AUTH=CRAM-MD5" : "AUTH=PLAIN;AUTH=LOGIN");
  curl_easy_setopt(easy, CURLOPT_USERNAME, mail_.server.username.c_str());
  curl_easy_setopt(easy, CURLOPT_PASSWORD, (cram ? cram_secret_ : password_).c_str());
  if (!mail_.server.identity.empty() && !cram) {
    curl_easy_setopt(easy, CURLOPT_SASL_AUTHZID, mail_.server.identity.c_str());
  }
  return ok();
}

void MailSession::set_message(CURL* easy) {
  curl_easy_setopt(easy, CURLOPT_MAIL_FROM, ("<" + mail_.from + ">").c_str());
  recipients_.clear();
  for (const std::string& recipient : mail_.recipients) recipients_.append("<" + recipient + ">");
  curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, recipients_.get());
  sent_bytes_ = 0;
  reply_.clear();
  curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(mail_.data.size()));
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, &MailSession::on_read);
  curl_easy_setopt(easy, CURLOPT_READDATA, this);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &MailSession::on_reply);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
}

std::size_t MailSession::on_read(char* out, std::size_t size, std::size_t count, void* self) {
  auto* transfer = static_cast<MailSession*>(self);
  const std::string& data = transfer->mail_.data;
  const std::size_t copied = std::min(size * count, data.size() - transfer->sent_bytes_);
  std::copy_n(data.data() + transfer->sent_bytes_, copied, out);
  transfer->sent_bytes_ += copied;
  return copied;
}

std::size_t MailSession::on_reply(char* data, std::size_t size, std::size_t count, void* self) {
  std::string_view line(data, size * count);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (!line.empty()) static_cast<MailSession*>(self)->reply_ = line.substr(0, kMaxReplyBytes);
  return size * count;
}

// The status of the server's last reply, which is a refusal.
Status MailSession::refused() const {
  if (reply_.starts_with("535")) return unauthenticated("{}", reply_);
  if (reply_.starts_with("5")) return failed_precondition("{}", reply_);
  if (reply_.starts_with("4")) return unavailable("{}", reply_);
  return unavailable("unexpected reply: {}", reply_);
}

Status MailSession::failure(CURL* easy, CURLcode code) const {
  switch (code) {
    case CURLE_USE_SSL_FAILED:
      if (is_refusal(reply_)) return refused();
      return failed_precondition(
          "'require_tls' is true (default) but \"{}\" does not advertise the STARTTLS extension",
          address());
    case CURLE_LOGIN_DENIED:
      if (is_refusal(reply_)) return refused();
      return failed_precondition("no usable AUTH mechanism: {}", reply_);
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_QUOTE_ERROR:
    case CURLE_REMOTE_ACCESS_DENIED:
      if (is_refusal(reply_)) return refused();
      break;
    default:
      break;
  }
  Url url;
  url.host = mail_.server.host;
  url.port = mail_.server.port;
  return to_status(easy, url, {code, error_text_.data(), false});
}

class CurlMailSender final : public MailSender {
 public:
  explicit CurlMailSender(IoLoop& loop) : loop_(loop) {
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
  }
  ~CurlMailSender() override;

  void send(Mail mail, Callback callback) override;

 private:
  // The status changes hands and is not copied: copies share an object of absl's.
  void answer(const Callback& callback, Status status) {
    const auto result = std::make_shared<Status>(std::move(status));
    const auto give = [callback, result] { callback(std::move(*result)); };
    if (!loop_.post(give)) give();
  }

  IoLoop& loop_;
  std::atomic<bool> stopping_ = false;
  base::ThreadPool threads_{{.name = "mail", .threads = kThreads, .max_queued = kMaxWaiting}};
};

CurlMailSender::~CurlMailSender() {
  stopping_ = true;
  threads_.stop();
  // The answers are posted; wait until they have been given.
  if (!loop_.on_io_thread()) {
    base::Gate given;
    const auto pass = std::make_shared<base::Gate::Pass>(given.enter());
    std::function<void()> last = [pass] { *pass = base::Gate::Pass(); };
    if (!loop_.post(last)) last();
    given.close();
  }
  curl_global_cleanup();
}

void CurlMailSender::send(Mail mail, Callback callback) {
  const base::SteadyTime deadline = loop_.clock().steady_now() + mail.timeout;
  const bool posted = threads_.post([this, mail = std::move(mail), callback, deadline] {
    answer(callback, MailSession(mail, stopping_).run(loop_.clock().steady_now(), deadline));
  });
  if (!posted) answer(callback, resource_exhausted("more than {} mails are waiting", kMaxWaiting));
}

}  // namespace

std::unique_ptr<MailSender> make_mail_sender(IoLoop& loop, base::Executor& /*blocking*/) {
  return std::make_unique<CurlMailSender>(loop);
}

}  // namespace tocsin::net
