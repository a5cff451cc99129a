// SPDX-License-Identifier: Apache-2.0
//
// A mail is one SMTP session of its own: connections are never shared, so neither are credentials.
#include "net/mail_sender.h"

#include <charconv>

#include "net/curl.h"
#include "net/curl/options.h"
#include "net/curl/transfers.h"

namespace tocsin::net {
namespace {

constexpr std::size_t kMaxMailsInFlight = 100;
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

class MailTransfer final : public Transfer {
 public:
  MailTransfer(Mail mail, MailSender::Callback callback)
      : mail_(std::move(mail)), callback_(std::move(callback)) {}

  const HttpClientOptions& connection_key() const override { return no_options_; }
  bool needs_files() const override {
    return !mail_.server.password.file.empty() || !mail_.server.cram_secret.file.empty();
  }
  Status read_files() override;
  Status configure(CURL* easy) override;
  Next ended(CURL* easy, CURLcode code) override;
  void finish(const Status& failure) override { callback_(failure.ok() ? result_ : failure); }

 private:
  // CRAM-MD5 has a secret of its own, so it is tried alone; the others follow if the server lacks
  // it.
  enum class Login { kNone, kCramMd5, kPassword };

  static std::size_t on_read(char* out, std::size_t size, std::size_t count, void* self);
  static std::size_t on_reply(char* data, std::size_t size, std::size_t count, void* self);
  Status check() const;
  Status set_login(CURL* easy);
  void set_message(CURL* easy);
  bool has_tls() const { return mail_.server.implicit_tls || mail_.server.require_tls; }
  std::string address() const;
  Status failure(CURL* easy, CURLcode code) const;
  Status refused() const;

  Mail mail_;
  const MailSender::Callback callback_;
  const HttpClientOptions no_options_;
  bool secrets_read_ = false;
  std::string password_;
  std::string cram_secret_;
  Login login_ = Login::kNone;
  bool cram_failed_ = false;
  std::size_t sent_bytes_ = 0;
  std::string reply_;  // the server's last line
  CurlList recipients_;
  CurlList connect_to_;
  std::array<char, CURL_ERROR_SIZE> error_text_{};
  Status result_;
};

Status MailTransfer::read_files() {
  ASSIGN_OR_RETURN(password_, read_secret(mail_.server.password, "SMTP password file"));
  ASSIGN_OR_RETURN(cram_secret_, read_secret(mail_.server.cram_secret, "SMTP secret file"));
  secrets_read_ = true;
  return ok();
}

std::string MailTransfer::address() const {
  Url url;
  url.host = mail_.server.host;
  url.port = mail_.server.port;
  return url.authority();
}

Status MailTransfer::check() const {
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

Status MailTransfer::configure(CURL* easy) {
  RETURN_IF_ERROR(check());
  if (!secrets_read_) RETURN_IF_ERROR(read_files());
  RETURN_IF_ERROR(set_login(easy));
  RETURN_IF_ERROR(apply_tls(easy, mail_.server.tls));
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
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  error_text_[0] = '\0';
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text_.data());
  set_message(easy);
  return ok();
}

Status MailTransfer::set_login(CURL* easy) {
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

void MailTransfer::set_message(CURL* easy) {
  curl_easy_setopt(easy, CURLOPT_MAIL_FROM, ("<" + mail_.from + ">").c_str());
  recipients_.clear();
  for (const std::string& recipient : mail_.recipients) recipients_.append("<" + recipient + ">");
  curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, recipients_.get());
  sent_bytes_ = 0;
  reply_.clear();
  curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(mail_.data.size()));
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, &MailTransfer::on_read);
  curl_easy_setopt(easy, CURLOPT_READDATA, this);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &MailTransfer::on_reply);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
}

std::size_t MailTransfer::on_read(char* out, std::size_t size, std::size_t count, void* self) {
  auto* transfer = static_cast<MailTransfer*>(self);
  const std::string& data = transfer->mail_.data;
  const std::size_t copied = std::min(size * count, data.size() - transfer->sent_bytes_);
  std::copy_n(data.data() + transfer->sent_bytes_, copied, out);
  transfer->sent_bytes_ += copied;
  return copied;
}

std::size_t MailTransfer::on_reply(char* data, std::size_t size, std::size_t count, void* self) {
  std::string_view line(data, size * count);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (!line.empty()) static_cast<MailTransfer*>(self)->reply_ = line.substr(0, kMaxReplyBytes);
  return size * count;
}

Transfer::Next MailTransfer::ended(CURL* easy, CURLcode code) {
  result_ =
      code == CURLE_OK ? ok() : annotate(failure(easy, code), "send mail through {}", address());
  const bool lacks_cram = code == CURLE_LOGIN_DENIED && login_ == Login::kCramMd5 &&
                          !password_.empty() && reply_.starts_with("250");
  if (!lacks_cram) return Next::kFinish;
  cram_failed_ = true;
  return Next::kAgain;
}

// The status of the server's last reply, which is a refusal.
Status MailTransfer::refused() const {
  if (reply_.starts_with("535")) return unauthenticated("{}", reply_);
  if (reply_.starts_with("5")) return failed_precondition("{}", reply_);
  if (reply_.starts_with("4")) return unavailable("{}", reply_);
  return unavailable("unexpected reply: {}", reply_);
}

Status MailTransfer::failure(CURL* easy, CURLcode code) const {
  switch (code) {
    case CURLE_USE_SSL_FAILED:
      if (reply_.starts_with("4") || reply_.starts_with("5")) return refused();
      return failed_precondition(
          "'require_tls' is true (default) but \"{}\" does not advertise the STARTTLS extension",
          address());
    case CURLE_LOGIN_DENIED:
      if (!reply_.starts_with("250")) return refused();
      return failed_precondition("no usable AUTH mechanism: {}", reply_);
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_QUOTE_ERROR:
    case CURLE_REMOTE_ACCESS_DENIED:
      if (reply_.starts_with("4") || reply_.starts_with("5")) return refused();
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
  CurlMailSender(IoLoop& loop, base::Executor& blocking)
      : transfers_(std::make_shared<Transfers>(
            loop, blocking,
            Transfers::Options{.max_in_flight = kMaxMailsInFlight, .max_idle_connections = 1})) {}
  ~CurlMailSender() override { transfers_->shutdown(); }

  void send(Mail mail, Callback callback) override {
    const base::Duration timeout = mail.timeout;
    transfers_->submit(std::make_shared<MailTransfer>(std::move(mail), std::move(callback)),
                       timeout);
  }

 private:
  const std::shared_ptr<Transfers> transfers_;
};

}  // namespace

std::unique_ptr<MailSender> make_mail_sender(IoLoop& loop, base::Executor& blocking) {
  return std::make_unique<CurlMailSender>(loop, blocking);
}

}  // namespace tocsin::net
