"""What people read: tables, pictures, a report page and the demo."""
