/* Every maximum, in one place. Bytes, unless the name says otherwise. */
#ifndef REMOTE_BASE_LIMITS_H
#define REMOTE_BASE_LIMITS_H

#define KiB 1024ul
#define MiB (1024ul * KiB)

/* Wire (remote/wire/PROTOCOL.md) */
#define MAX_FRAME_JSON (1 * MiB)   /* body of any frame but DATA */
#define MAX_FRAME_DATA (256 * KiB) /* payload bytes of a DATA frame */
#define MAX_SHELL_NOISE (64 * KiB) /* bytes before the hello */
#define MAX_JSON_DEPTH 32
#define MAX_JSON_DEPTH_OUTSIDE 64 /* answers of APIs, credential files */
#define WIRE_PING_MS 5000	  /* a PING goes out after so long a silence */
#define WIRE_DEAD_MS 60000	  /* a peer that was silent for so long is gone */

/* /proc and the container, all hostile */
#define MAX_PROC_FILE (1 * MiB)	 /* status, stat, cgroup, cmdline */
#define MAX_PROC_MAPS (64 * MiB) /* read line by line, never held */
#define MAX_HSPERF (128 * KiB)
#define MAX_ATTACH_REPLY (1 * MiB)
#define MAX_RUNTIME_FILE (4 * MiB)   /* what a container runtime keeps of its containers */
#define MAX_RUNTIME_BYTES (16 * MiB) /* of such files in one `ps` */
#define MAX_RUNTIME_MS 1000
#define MAX_PROCESSES 65536
#define MAX_PROC_NET (64 * MiB) /* a table of sockets, read line by line */
#define MAX_DESCRIPTORS 262144	/* of one process */
#define MAX_LISTENING 4096	/* sockets in the answer of `survey` ... */
#define MAX_SURVEY_JARS 1024	/* ... and files */
#define MAX_JVMS 1024

#define MAX_PLACED (64 * MiB) /* a file that is put into a container */

/* The spool of a capture */
#define MAX_SPOOL_LABEL (64 * KiB)   /* the client's text */
#define MAX_SPOOL_STATE (512 * KiB)  /* a label may take six bytes for each of its own */
#define MAX_SPOOLS 256		     /* on one node */
#define MAX_CAPTURES 4		     /* under way at the same time on one node */
#define MAX_HPROF_CLASSES (4 * MiB)  /* number of classes, not bytes */
#define MAX_HPROF_LAYOUTS (64 * MiB) /* which of their fields are contents */
#define MAX_HPROF_TEXT (4 * KiB)     /* of a name that a visitor is shown */
#define MAX_HPROF_NAMES (512 * MiB)  /* all names of a dump, for jdiag top */

#define MAX_SPOOL_BLOCKS (16 * MiB) /* number of blocks in one part of an artifact */

/* jdiag */
#define MAX_KUBECONFIG (4 * MiB)
#define MAX_YAML_DEPTH 64
#define MAX_YAML_NODES 100000
#define MAX_API_OBJECT (8 * MiB) /* one object; etcd takes at most 1.5 MiB */
#define MAX_API_BODY (32 * MiB)	 /* one page of a list */
#define MAX_API_ITEMS 50000	 /* objects of one list, over all its pages */
#define MAX_GCE_PAGES 1000	 /* of a list of instances; a page may be empty */
#define MAX_API_QUERY (64 * KiB)
#define MAX_TARGETS 5000	    /* of one command */
#define MAX_CONNECTIONS 256	    /* of one command, at a time */
#define MAX_FLEET_RECORD (16 * MiB) /* the result of one of them */
#define MAX_FLEET_LINE (64 * KiB)   /* of talk */
#define MAX_HTTP_BODY (1 * MiB)	    /* any other answer */
#define MAX_MANIFEST (1 * MiB)
#define MAX_SEEK_TABLE (64 * MiB) /* 8 TiB of dump */
#define MAX_CREDENTIAL_FILE (1 * MiB)
#define MAX_SUBJECT_TOKEN (128 * KiB) /* of an external account: JWT, SAML */
#define MAX_FILTER (4 * KiB)	      /* an expression of --filter ... */
#define MAX_FILTER_TERMS 128	      /* ... its conditions ... */
#define MAX_FILTER_DEPTH 32	      /* ... its parentheses in one another ... */
#define MAX_FILTER_REGEX 256	      /* ... and a regular expression in it */
#define MAX_FILTER_REGEX_DEPTH 4
#define MAX_KNOWN_HOSTS (16 * MiB)
#define MAX_TARGETS_TEXT (64 * MiB) /* of all scrape targets */
#define MAX_HELP_TEXT (256 * KiB)   /* help, a manual page, a completion script */
#define MAX_PLUGIN_OUTPUT (1 * MiB) /* exec credential plugin, --token-command */

#endif
