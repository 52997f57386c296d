"""Our own database: tables, repositories and migrations. It alone knows the truth about an AB."""
