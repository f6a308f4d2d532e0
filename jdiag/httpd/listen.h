/* The socket of a server. */
#ifndef JDIAG_HTTPD_LISTEN_H
#define JDIAG_HTTPD_LISTEN_H

#include "remote/base/error.h"

#define HTTPD_ADDRESS_SIZE 64

/* A listening, non-blocking socket on an address as httpd_open takes it; address: where it is. */
int httpd_listen(const char *text, char address[HTTPD_ADDRESS_SIZE], struct error *err) must_check;

#endif
