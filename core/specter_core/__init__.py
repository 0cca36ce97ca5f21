"""The layer every other package stands on: vocabulary, configuration, web server, command line."""
